//! The table of consent, rule and clock, and the edges of months.

use super::*;

fn policy() -> Policy {
    let rule = |name: &str, when, keep| Rule { name: name.into(), when, keep };
    Policy {
        keep: Period::Days(90),
        longest_without_consent: Period::Months(6),
        rules: vec![
            rule(
                "advice",
                When { queue: Some("product_advice".into()), ..When::default() },
                Period::Days(30),
            ),
            rule(
                "complaint_with_consent",
                When {
                    queue: Some("complaints".into()),
                    consent: Some(Consent::Explicit),
                    ..When::default()
                },
                Period::Months(24),
            ),
            rule(
                "complaints",
                When { queue: Some("complaints".into()), ..When::default() },
                Period::Months(12),
            ),
            rule("voicemail_short", When { kind: Some(Kind::Voicemail), ..When::default() }, Period::Days(7)),
        ],
        zone: "Asia/Shanghai".to_owned(),
    }
}

fn subject(queue: &str, consent: Consent, kind: Kind, ended: Timestamp) -> Subject {
    let number = base::PhoneNumber::normalise("4005550100").unwrap();
    Subject { number, queue: Some(queue.into()), seats: Vec::new(), kind, consent, ended }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_table_of_consent_rule_and_clock() {
    use Consent::{Explicit, None, NoticeGiven, Refused, Withdrawn};
    let (autumn, august) = (at("2026-10-12T10:00:00+08:00"), at("2026-08-31T23:30:00+08:00"));
    let mut rows = 0;
    for (ended, half_year, year, two_years) in [
        (autumn, "2027-04-12T10:00:00+08:00", "2027-10-12T10:00:00+08:00", "2028-10-12T10:00:00+08:00"),
        (august, "2027-02-28T23:30:00+08:00", "2027-08-31T23:30:00+08:00", "2028-08-31T23:30:00+08:00"),
    ] {
        let days = |n: i64| ended + jiff::SignedDuration::from_hours(24 * n);
        for consent in [None, NoticeGiven, Explicit, Refused, Withdrawn] {
            for (queue, kind) in [
                ("product_advice", Kind::Call),
                ("complaints", Kind::Call),
                ("after_sales", Kind::Call),
                ("after_sales", Kind::Voicemail),
            ] {
                let (rule, due) = match (consent, queue, kind) {
                    (Refused, ..) => ("refused", ended),
                    (Withdrawn, ..) => ("withdrawn", ended),
                    (_, "product_advice", _) => ("advice", days(30)),
                    (Explicit, "complaints", _) => ("complaint_with_consent", at(two_years)),
                    (_, "complaints", _) => ("complaints", at(half_year)),
                    (_, _, Kind::Voicemail) => ("voicemail_short", days(7)),
                    _ => ("default", days(90)),
                };
                let verdict = policy().verdict(&subject(queue, consent, kind, ended));
                assert_eq!(
                    (verdict.rule.as_str(), verdict.delete_after),
                    (rule, due),
                    "{consent} {queue} {kind}"
                );
                rows += 1;
            }
        }
        let mut without_cut = policy();
        without_cut.longest_without_consent = Period::Months(13);
        let verdict = without_cut.verdict(&subject("complaints", NoticeGiven, Kind::Call, ended));
        assert_eq!((verdict.keep, verdict.delete_after), (Period::Months(12), at(year)));
    }
    assert_eq!(rows, 40);
}

#[test]
fn a_cut_period_says_so() {
    let verdict = policy().verdict(&subject(
        "complaints",
        Consent::NoticeGiven,
        Kind::Call,
        at("2026-10-12T10:00:00+08:00"),
    ));
    assert_eq!(verdict.keep, Period::Months(6));
}

#[test]
fn consent_at_the_end_may_only_protect_more() {
    let facts = crate::tests::facts(1);
    let ended = at("2026-10-12T10:05:00+08:00");
    assert_eq!(Subject::of(&facts, Consent::None, ended).consent, Consent::NoticeGiven);
    assert_eq!(Subject::of(&facts, Consent::Withdrawn, ended).consent, Consent::Withdrawn);
}

#[test]
fn a_call_that_was_put_through_is_kept_as_long_as_the_longest_of_its_seats() {
    let ended = at("2026-10-12T10:05:00+08:00");
    let rule = |seat: &str, days| Rule {
        name: format!("of_{seat}").into(),
        when: When { seat: Some(seat.into()), ..When::default() },
        keep: Period::Days(days),
    };
    let policy = Policy { rules: vec![rule("li_na", 30), rule("chen_hao", 120)], ..policy() };
    let heard = |seats: &[&str]| {
        let segment = |seat: &&str| Segment { seat: Name::from(*seat), from_ms: 0, to_ms: 1 };
        let segments: Vec<Segment> = seats.iter().map(segment).collect();
        let subject = subject("sales", Consent::NoticeGiven, Kind::Call, ended).with_segments(&segments);
        policy.verdict(&subject).rule
    };
    assert_eq!(heard(&["li_na"]), "of_li_na");
    assert_eq!(heard(&["li_na", "chen_hao"]), "of_chen_hao");
    assert_eq!(heard(&["chen_hao", "li_na"]), "of_chen_hao");
    assert_eq!(heard(&["li_na", "zhao_min"]), DEFAULT_RULE, "90 days of whoever has no rule");
    // What the caller refused is not kept for anybody.
    let refused = subject("sales", Consent::Refused, Kind::Call, ended);
    let segments = [Segment { seat: "chen_hao".into(), from_ms: 0, to_ms: 1 }];
    assert_eq!(policy.verdict(&refused.with_segments(&segments)).rule, REFUSED_RULE);
}

#[test]
fn six_months_are_compared_as_dates_not_as_days() {
    // 184 days are longer than six months from October on (182 days), but not from March on (184 days).
    let mut policy = policy();
    policy.keep = Period::Days(184);
    let verdict = |ended| policy.verdict(&subject("x", Consent::NoticeGiven, Kind::Call, at(ended)));
    assert_eq!(verdict("2026-10-12T10:00:00+08:00").keep, Period::Months(6));
    assert_eq!(verdict("2026-03-12T10:00:00+08:00").keep, Period::Days(184));
}
