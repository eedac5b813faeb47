//! From what the brain and the engines tell of a call to the row that history keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Digit, LegId, Timestamp};
use history::{CallRow, LapseRow, LegRow, OpenCall, Origin, PeerReport, Quality, TransferRow};
use media::rtcp::Voip;
use pbx::cdr::{CallRecord, LegRecord, TransferRecord};

use crate::node::{Lapse, Sounded};

/// The row of a call that is over. `sounded` holds what the engines told of its channels, `said` what the network told of
/// their ends.
pub fn call_row(
    record: &CallRecord,
    sounded: &BTreeMap<LegId, Sounded>,
    said: &BTreeMap<LegId, u8>,
) -> CallRow {
    CallRow {
        id: record.call,
        origin: Origin::Engine,
        line: record.line.clone(),
        number: record.number.clone(),
        dialled: record.dialled.clone(),
        diverted: record.diverted.clone(),
        caller: record.caller.clone(),
        internal: record.internal,
        started: record.started,
        answered_ms: record.answered_after.map(millis),
        connected_ms: record.connected_after.map(millis),
        lasted_ms: millis(record.lasted),
        talked_ms: millis(record.talked),
        waited_ms: millis(record.waited),
        cause: Some(record.cause),
        keys: record.keys.iter().copied().map(Digit::as_char).collect(),
        menus: record.menus.clone(),
        queue: record.queue.clone(),
        seat: record.seat.clone(),
        transfers: record.transfers.iter().map(transfer_row).collect(),
        recording: record.recording,
        consent: record.consent.as_str().to_owned(),
        sip_call_id: record.sip_call_id.clone(),
        legs: record
            .legs
            .iter()
            .map(|leg| leg_row(record, leg, sounded.get(&leg.leg), said.get(&leg.leg).copied()))
            .collect(),
    }
}

/// What is known of a call that is up, from its record as it would stand if it ended now.
pub fn open_call(record: &CallRecord) -> OpenCall {
    OpenCall {
        id: record.call,
        line: record.line.clone(),
        number: record.number.clone(),
        dialled: record.dialled.clone(),
        caller: record.caller.clone(),
        internal: record.internal,
        started: record.started,
        answered_ms: record.answered_after.map(millis),
        connected_ms: record.connected_after.map(millis),
        queue: record.queue.clone(),
        seat: record.seat.clone(),
        transfers: record.transfers.iter().map(transfer_row).collect(),
        recording: record.recording,
        consent: record.consent.as_str().to_owned(),
        sip_call_id: record.sip_call_id.clone(),
    }
}

fn transfer_row(transfer: &TransferRecord) -> TransferRow {
    TransferRow {
        at_ms: millis(transfer.at),
        by: transfer.by.clone(),
        to: transfer.to.clone(),
        kind: transfer.kind.as_str().to_owned(),
        outcome: transfer.outcome.map(|cause| cause.as_str().to_owned()),
    }
}

fn leg_row(call: &CallRecord, leg: &LegRecord, sounded: Option<&Sounded>, q850: Option<u8>) -> LegRow {
    LegRow {
        seat: leg.seat.clone(),
        trunk: leg.trunk.clone(),
        began_ms: millis(leg.began),
        rang_ms: leg.rang.map(millis),
        answered_ms: leg.answered.map(millis),
        ended_ms: millis(leg.ended),
        cause: leg.cause,
        q850,
        quality: sounded.map(|sounded| quality_of(&sounded.quality)),
        lapses: sounded
            .iter()
            .flat_map(|sounded| &sounded.lapses)
            .map(|lapse| lapse_row(call, lapse))
            .collect(),
    }
}

fn quality_of(quality: &media::seam::Quality) -> Quality {
    Quality {
        received: count(quality.received),
        lost: count(quality.lost),
        discarded: count(quality.discarded),
        jitter_ms: f64::from(quality.jitter_ms),
        sent: count(quality.sent),
        peer_loss: quality.peer_loss.map(f64::from),
        peer_jitter_ms: quality.peer_jitter_ms.map(f64::from),
        round_trip_ms: quality.round_trip_ms.map(f64::from),
        mos: quality.mos.map(f64::from),
        peer_mos: quality.peer_mos.map(f64::from),
        speech_dbm0: quality.speech_dbm0.map(f64::from),
        peer_report: quality.peer_report.map(|voip| peer_report(&voip)),
    }
}

fn peer_report(voip: &Voip) -> PeerReport {
    let share = |share: u8| f64::from(share) / 256.0;
    let score = |tenths: u8| f64::from(tenths) / 10.0;
    PeerReport {
        loss: share(voip.loss_rate),
        discard: share(voip.discard_rate),
        burst_density: share(voip.burst_density),
        burst_ms: voip.burst_ms.into(),
        gap_density: share(voip.gap_density),
        gap_ms: voip.gap_ms.into(),
        round_trip_ms: (voip.round_trip_ms > 0).then_some(voip.round_trip_ms.into()),
        end_system_ms: voip.end_system_ms.into(),
        buffer_ms: voip.buffer_ms.into(),
        signal_dbm0: voip.signal_dbm0.map(i64::from),
        noise_dbm0: voip.noise_dbm0.map(i64::from),
        r: voip.r.map(i64::from),
        mos_listening: voip.mos_listening.map(score),
        mos_conversation: voip.mos_conversation.map(score),
    }
}

fn lapse_row(call: &CallRecord, lapse: &Lapse) -> LapseRow {
    let after = |from: Timestamp, to: Timestamp| to.duration_since(from).as_millis().max(0) as i64;
    LapseRow {
        at_ms: after(call.started, lapse.from),
        kind: lapse.kind.as_str().to_owned(),
        lasted_ms: lapse.until.map(|until| after(lapse.from, until)),
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn count(packets: u64) -> i64 {
    i64::try_from(packets).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{CallId, Cause, PhoneNumber, RecordingId};
    use pbx::cdr::{Consent, TransferKind};

    use crate::node::LapseKind;

    fn record() -> CallRecord {
        CallRecord {
            call: CallId::from_u128(7),
            line: Some("huaning".into()),
            number: PhoneNumber::normalise("4005550100"),
            dialled: "+864005550100".into(),
            diverted: PhoneNumber::normalise("057155550100").into_iter().collect(),
            caller: PhoneNumber::normalise("13800138000"),
            internal: false,
            started: Timestamp::UNIX_EPOCH,
            answered_after: Some(Duration::from_micros(20_900)),
            connected_after: Some(Duration::from_secs(9)),
            lasted: Duration::from_mins(1),
            talked: Duration::from_secs(51),
            waited: Duration::from_secs(3),
            cause: Cause::SeatHungUp,
            keys: vec![Digit::from_char('2').unwrap(), Digit::from_char('*').unwrap()],
            menus: vec!["main".into(), "repair".into()],
            queue: Some("repair".into()),
            seat: Some("li_na".into()),
            transfers: vec![TransferRecord {
                at: Duration::from_secs(20),
                by: "wang".into(),
                to: "li_na".into(),
                kind: TransferKind::Attended,
                outcome: Some(Cause::Transferred),
            }],
            recording: Some(RecordingId::from_u128(8)),
            consent: Consent::NoticeGiven,
            sip_call_id: "a@b".into(),
            legs: vec![
                leg(LegId::arrived(1), None, Cause::SeatHungUp),
                leg(LegId::placed(1), Some("li_na".into()), Cause::SeatHungUp),
                leg(LegId::placed(2), Some("wang".into()), Cause::AnsweredElsewhere),
            ],
        }
    }

    fn voip() -> Voip {
        Voip {
            ssrc: 1,
            loss_rate: 128,
            discard_rate: 64,
            burst_density: 32,
            gap_density: 16,
            burst_ms: 120,
            gap_ms: 4000,
            round_trip_ms: 0,
            end_system_ms: 60,
            signal_dbm0: Some(-20),
            noise_dbm0: None,
            gap_least: 16,
            r: Some(84),
            mos_listening: Some(42),
            mos_conversation: None,
            concealed: None,
            adaptive: None,
            buffer_ms: 40,
            buffer_most_ms: 80,
            buffer_limit_ms: 200,
        }
    }

    fn leg(leg: LegId, seat: Option<base::Name>, cause: Cause) -> LegRecord {
        LegRecord {
            leg,
            seat,
            trunk: leg.is_arrived().then(|| "local".into()),
            began: Duration::from_secs(6),
            rang: Some(Duration::from_millis(6_100)),
            answered: None,
            ended: Duration::from_mins(1),
            cause,
            moved: false,
        }
    }

    #[test]
    fn a_record_loses_nothing_on_its_way_to_the_row() {
        let heard = media::seam::Quality {
            received: 2_990,
            lost: 10,
            jitter_ms: 1.5,
            sent: 3_000,
            peer_loss: Some(0.25),
            round_trip_ms: Some(30.0),
            mos: Some(4.0),
            peer_mos: Some(3.5),
            discarded: 4,
            peer_jitter_ms: Some(2.5),
            speech_dbm0: Some(-19.5),
            peer_report: Some(voip()),
            ..Default::default()
        };
        let second = |second| Timestamp::from_second(second).unwrap();
        let lapses = vec![
            Lapse { kind: LapseKind::NoVoice, from: second(30), until: Some(second(34)) },
            Lapse { kind: LapseKind::NoPackets, from: second(50), until: None },
        ];
        let heard = Sounded { quality: heard, lapses };
        let said = BTreeMap::from([(LegId::placed(2), 17)]);
        let row = call_row(&record(), &BTreeMap::from([(LegId::arrived(1), heard)]), &said);
        assert_eq!((row.answered_ms, row.connected_ms, row.lasted_ms), (Some(20), Some(9_000), 60_000));
        assert_eq!((row.talked_ms, row.waited_ms), (51_000, 3_000));
        assert_eq!(row.keys, "2*");
        assert_eq!(row.consent, "notice_given");
        assert_eq!(row.status(), "completed");
        assert_eq!(row.legs.len(), 3);
        let transfer = &row.transfers[0];
        assert_eq!((transfer.at_ms, transfer.by.as_str(), transfer.to.as_str()), (20_000, "wang", "li_na"));
        assert_eq!((transfer.kind.as_str(), transfer.outcome.as_deref()), ("attended", Some("transferred")));
        assert_eq!(open_call(&record()).transfers, row.transfers);
        assert_eq!(row.legs[0].trunk.as_deref(), Some("local"));
        assert_eq!(row.legs[0].quality.map(|q| (q.lost, q.round_trip_ms)), Some((10, Some(30.0))));
        assert_eq!(row.legs[0].quality.map(|q| (q.mos, q.peer_mos)), Some((Some(4.0), Some(3.5))));
        let quality = row.legs[0].quality.unwrap();
        assert_eq!(
            (quality.discarded, quality.peer_jitter_ms, quality.speech_dbm0),
            (4, Some(2.5), Some(-19.5))
        );
        let report = quality.peer_report.unwrap();
        assert_eq!(
            (report.loss, report.discard, report.burst_density, report.gap_density),
            (0.5, 0.25, 0.125, 0.0625)
        );
        assert_eq!((report.burst_ms, report.gap_ms, report.round_trip_ms), (120, 4000, None));
        assert_eq!((report.end_system_ms, report.buffer_ms, report.r), (60, 40, Some(84)));
        assert_eq!((report.signal_dbm0, report.noise_dbm0), (Some(-20), None));
        assert_eq!((report.mos_listening, report.mos_conversation), (Some(4.2), None));
        let lapses: Vec<_> =
            row.legs[0].lapses.iter().map(|l| (l.at_ms, l.kind.as_str(), l.lasted_ms)).collect();
        assert_eq!(lapses, [(30_000, "no_voice", Some(4_000)), (50_000, "no_packets", None)]);
        assert_eq!(row.legs[1].quality, None, "the caller's quality is not the seat's");
        assert_eq!((row.legs[2].cause, row.legs[2].q850), (Cause::AnsweredElsewhere, Some(17)));
        assert_eq!(row.legs[0].q850, None);
    }

    #[test]
    fn every_word_for_consent_is_known_to_the_catalog() {
        for consent in
            [Consent::None, Consent::NoticeGiven, Consent::Explicit, Consent::Refused, Consent::Withdrawn]
        {
            assert_eq!(consent.as_str().parse::<recordings::Consent>().unwrap().as_str(), consent.as_str());
        }
    }
}
