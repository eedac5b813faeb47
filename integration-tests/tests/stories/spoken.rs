//! Which codec each leg speaks: the caller's, so that nothing is decoded on the way.

use integration_tests::world::Example;
use integration_tests::world::example::shipped;
use phones::Codec::{self, Pcma, Pcmu};
use phones::{Action, Behaviour, Dial};

use crate::words::*;

/// The codecs that a phone's newest call was offered, in their order, when these phones call and are called.
fn offered(example: &mut Example, seat: &str) -> Vec<String> {
    let mut invites =
        example.world.overheard().into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let invite = invites.rfind(|text| text.starts_with("INVITE "));
    let invite = invite.unwrap_or_else(|| panic!("{seat} was not called"));
    let audio = invite.lines().find(|line| line.starts_with("m=audio ")).unwrap_or_default();
    audio.split(' ').skip(3).map(str::to_owned).collect()
}

#[test]
fn a_seat_is_offered_the_callers_codec_first() {
    for (codecs, wanted) in
        [(vec![Pcmu], ["0", "8"]), (vec![Pcma], ["8", "0"]), (vec![Pcmu, Pcma], ["0", "8"])]
    {
        let mut example = Example::of(&shipped(OPEN), |carrier| carrier.codecs.clone_from(&codecs));
        let phone = example.seat("li_na", Behaviour::waits());
        let at = example.world.phone(phone).setup().local_sip;
        example.world.overhear(at);
        example.call(CALLER, presses("1"));
        example.run(2 * SECOND);
        assert_eq!(offered(&mut example, "li_na")[..2], wanted, "{codecs:?}");
    }
}

/// Nobody has answered the one who calls yet: it is answered with what the other takes.
#[test]
fn between_two_seats_the_one_that_is_called_chooses_from_what_the_caller_offers() {
    let rows: [(&[Codec], &[Codec], Codec); 4] = [
        (&[Pcmu, Pcma], &[Pcma, Pcmu], Pcmu),
        (&[Pcma, Pcmu], &[Pcma, Pcmu], Pcma),
        (&[Pcmu, Pcma], &[Pcma], Pcma),
        (&[Pcma, Pcmu], &[Pcmu], Pcmu),
    ];
    for (callers, called, spoken) in rows {
        let mut example = Example::at(OPEN);
        example.seat_with("wang_wei", |setup| {
            setup.behaviour = Behaviour::waits();
            setup.codecs = callers.to_vec();
        });
        example.seat_with("li_na", |setup| {
            setup.behaviour = answers(SECOND, 700.0);
            setup.codecs = called.to_vec();
        });
        example.act("wang_wei", Action::Call(Dial::to("8001")));
        example.run(2 * SECOND);
        example.act("wang_wei", says(500.0, SECOND));
        example.run(2 * SECOND);
        for seat in ["wang_wei", "li_na"] {
            assert_eq!(
                example.seat_leg(seat).stream().codec(),
                spoken,
                "{seat}: {callers:?} calls {called:?}"
            );
        }
        assert!(heard(example.seat_leg("wang_wei")).contains(&700));
        assert!(heard(example.seat_leg("li_na")).contains(&500));
        example.act("wang_wei", Action::HangUp);
        example.rest();
    }
}
