//! What the seeds have come across: a simulation in which nothing happens proves nothing.

use media::Side;
use pbx::Consent;
use pbx::cdr::TransferKind;
use pbx::seam::Told;
use phones::Event;

use crate::life::Life;

macro_rules! coverage {
    ($($(#[$doc:meta])* $what:ident,)*) => {
        /// How often what happened.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Coverage {
            $($(#[$doc])* pub(crate) $what: u64,)*
        }

        impl Coverage {
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$what += other.$what;)*
            }

            /// Each of it at least once.
            pub(crate) fn assert_saw_everything(&self) {
                let unseen: Vec<&str> =
                    [$((stringify!($what), self.$what),)*].iter().filter(|(_, n)| *n == 0).map(|(what, _)| *what).collect();
                assert!(unseen.is_empty(), "never seen: {unseen:?}");
            }
        }
    };
}

coverage! {
    worlds,
    sip_messages,
    sip_lost,
    /// By our parser and by rsip.
    read_twice,
    fields_compared,
    media_packets,
    media_lost,
    doubled,
    overtaken,
    clones_followed,
    calls,
    answered,
    connected,
    direct,
    by_seats,
    refused_numbers,
    mobile_rang,
    confirmed,
    recordings,
    /// With sound of both parties.
    full_takes,
    withdrawn,
    refused,
    /// CANCELled because another seat took the call.
    losers,
    /// Whose 200 crossed that CANCEL.
    crossings,
    /// Offers of SRTP alone, after one beside plain RTP was refused.
    sealed_alone,
    /// CANCELs of callers that crossed our 200.
    caller_crossings,
    gave_up,
    stopped,
    lost_with_worker,
    without_port,
    seat_hung_up,
    held,
    busy,
    digits,
    info_digits,
    /// REFERs that were taken up.
    referred,
    refers_refused,
    blind,
    attended,
    /// Recordings that went on with another seat.
    retapped,
    /// Blind transfers that came to nothing.
    not_transferred,
}

impl Coverage {
    pub(crate) fn of(life: &Life) -> Self {
        let mut seen = Self { worlds: 1, ..Self::default() };
        seen.wire(life);
        seen.records(life);
        seen.phones(life);
        seen
    }

    fn wire(&mut self, life: &Life) {
        let traffic = life.example.world.traffic();
        (self.sip_messages, self.sip_lost) = (traffic.sip, traffic.sip_lost);
        (self.media_packets, self.media_lost) = (traffic.media, traffic.media_lost);
        (self.doubled, self.overtaken) = (traffic.doubled, traffic.overtaken);
        let second = life.example.world.second_reader();
        (self.read_twice, self.fields_compared) = (second.messages(), second.fields());
        self.clones_followed = life.example.world.pbx().followed();
    }

    fn records(&mut self, life: &Life) {
        let pbx = life.example.world.pbx();
        for record in pbx.finished().iter().map(|done| &done.record) {
            self.calls += 1;
            self.answered += u64::from(record.answered_after.is_some());
            self.connected += u64::from(record.connected_after.is_some());
            self.by_seats += u64::from(record.internal);
            self.direct +=
                u64::from(record.internal && record.menus.is_empty() && record.connected_after.is_some());
            self.refused_numbers += u64::from(record.cause == base::Cause::UnknownNumber);
            self.withdrawn += u64::from(record.consent == Consent::Withdrawn);
            self.refused += u64::from(record.consent == Consent::Refused);
            self.lost_with_worker += u64::from(record.cause == base::Cause::Internal);
            self.stopped += u64::from(record.cause == base::Cause::EngineStopped);
            let full = |leg: &&pbx::LegRecord| leg.cause == base::Cause::EngineFull;
            self.without_port += record.legs.iter().filter(full).count() as u64;
            self.gave_up += u64::from(record.cause == base::Cause::CallerGaveUp);
            self.seat_hung_up += u64::from(record.cause == base::Cause::SeatHungUp);
            self.digits += record.keys.len() as u64;
            for transfer in &record.transfers {
                let done = transfer.outcome == Some(base::Cause::Transferred);
                match transfer.kind {
                    TransferKind::Blind if done => self.blind += 1,
                    TransferKind::Attended if done => self.attended += 1,
                    TransferKind::Blind => self.not_transferred += 1,
                    TransferKind::Attended => {}
                }
            }
            self.busy += record.legs.iter().filter(|leg| leg.cause == base::Cause::Busy).count() as u64;
        }
        for (_, _, what) in pbx.told() {
            match what {
                Told::Rings { seat } if seat.as_str() == DUTY_MOBILE => self.mobile_rang += 1,
                Told::Connected { seat, .. } if seat.as_str() == DUTY_MOBILE => self.confirmed += 1,
                _ => {}
            }
        }
        self.recordings += pbx.takes().len() as u64;
        for take in pbx.takes().values() {
            let has = |side| take.packets.iter().any(|packet| packet.side == side);
            self.retapped += u64::from(take.seats.iter().any(|(_, seat)| seat.is_some()));
            self.full_takes += u64::from(has(Side::Caller) && has(Side::Seat));
        }
    }

    fn phones(&mut self, life: &Life) {
        for seen in life.example.world.seen() {
            let elsewhere =
                |reason: &Option<String>| reason.as_ref().is_some_and(|text| text.contains("elsewhere"));
            match &seen.event {
                Event::CancelledByPeer { reason } if elsewhere(reason) => self.losers += 1,
                Event::HungUpByPeer { reason } if elsewhere(reason) => self.crossings += 1,
                Event::OfferRefused { .. } => self.sealed_alone += 1,
                Event::CrossedCancel => self.caller_crossings += 1,
                Event::Reagreed => self.held += 1,
                Event::InfoAccepted => self.info_digits += 1,
                Event::ReferAccepted => self.referred += 1,
                Event::RequestRefused(403 | 480 | 481 | 482 | 486 | 603) => self.refers_refused += 1,
                _ => {}
            }
        }
    }
}

/// The seat that is a mobile and has to confirm.
const DUTY_MOBILE: &str = "duty_mobile";
