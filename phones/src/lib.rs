//! Scripted phones and a scripted carrier on rsip, rtp-rs and hound: an independent stack that judges ours.
