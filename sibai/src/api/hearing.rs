//! How the media of a leg was, as the API shows it.

use history::{LapseRow, PeerReport, Quality};
use serde::Serialize;
use utoipa::ToSchema;

/// How the media of a leg was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quality)]
pub(crate) struct QualityView {
    /// RTP packets that came.
    received: i64,
    /// RTP packets that never came.
    lost: i64,
    /// RTP packets that came too late to be played, where the engine plays them itself.
    discarded: i64,
    /// Interarrival jitter.
    jitter_ms: f64,
    /// RTP packets sent.
    sent: i64,
    /// Loss that the peer reported of ours, 0 to 1.
    peer_loss: Option<f64>,
    /// Jitter that the peer reported of ours.
    peer_jitter_ms: Option<f64>,
    /// Round trip.
    round_trip_ms: Option<f64>,
    /// How what came sounded, 1.0 to 4.5, estimated from loss, its bursts, delay and codec (E-model).
    mos: Option<f64>,
    /// How what we sent sounded to the peer: its own score where it reports one, else by its loss.
    peer_mos: Option<f64>,
    /// Level of what came with a voice in it, dBm0: a good line has about -20. Null where nothing was decoded.
    speech_dbm0: Option<f64>,
    /// What the peer reported last of how it heard us (RFC 3611); null where it does not.
    peer_report: Option<PeerReportView>,
}

/// A peer's own report of how it heard us (RFC 3611 section 4.7). Shares are 0 to 1.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PeerReport)]
pub(crate) struct PeerReportView {
    /// Packets that it never got.
    loss: f64,
    /// Packets that came too late for it.
    discard: f64,
    /// Packets missing in bursts.
    burst_density: f64,
    /// Mean length of a burst.
    burst_ms: i64,
    /// Packets missing between bursts.
    gap_density: f64,
    /// Mean time between bursts.
    gap_ms: i64,
    /// There and back on the network.
    round_trip_ms: Option<i64>,
    /// Delay within the peer.
    end_system_ms: i64,
    /// Its jitter buffer.
    buffer_ms: i64,
    /// Level of speech.
    signal_dbm0: Option<i64>,
    /// Level of pauses.
    noise_dbm0: Option<i64>,
    /// The E-model's R, 0 to 100.
    r: Option<i64>,
    /// Mean opinion of listening, 1.0 to 5.0.
    mos_listening: Option<f64>,
    /// Mean opinion of conversation, delay included.
    mos_conversation: Option<f64>,
}

/// A time in which a leg was not heard.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lapse)]
pub(crate) struct LapseView {
    /// When it was noticed, after the call's start.
    at_ms: i64,
    /// `no_packets`: nothing came from this leg while the other sent; `no_voice`: no voice did while the other spoke;
    /// `dead_air`: neither spoke.
    #[schema(example = "no_packets")]
    kind: String,
    /// How long from then; null: to the end of the leg.
    lasted_ms: Option<i64>,
}

impl QualityView {
    pub(super) fn of(quality: &Quality) -> Self {
        Self {
            received: quality.received,
            lost: quality.lost,
            discarded: quality.discarded,
            jitter_ms: quality.jitter_ms,
            sent: quality.sent,
            peer_loss: quality.peer_loss,
            peer_jitter_ms: quality.peer_jitter_ms,
            round_trip_ms: quality.round_trip_ms,
            mos: quality.mos,
            peer_mos: quality.peer_mos,
            speech_dbm0: quality.speech_dbm0,
            peer_report: quality.peer_report.as_ref().map(PeerReportView::of),
        }
    }
}

impl PeerReportView {
    fn of(report: &PeerReport) -> Self {
        Self {
            loss: report.loss,
            discard: report.discard,
            burst_density: report.burst_density,
            burst_ms: report.burst_ms,
            gap_density: report.gap_density,
            gap_ms: report.gap_ms,
            round_trip_ms: report.round_trip_ms,
            end_system_ms: report.end_system_ms,
            buffer_ms: report.buffer_ms,
            signal_dbm0: report.signal_dbm0,
            noise_dbm0: report.noise_dbm0,
            r: report.r,
            mos_listening: report.mos_listening,
            mos_conversation: report.mos_conversation,
        }
    }
}

impl LapseView {
    pub(super) fn of(lapse: &LapseRow) -> Self {
        Self { at_ms: lapse.at_ms, kind: lapse.kind.clone(), lasted_ms: lapse.lasted_ms }
    }
}
