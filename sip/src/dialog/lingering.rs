//! A call that is over, whose dialog lives on until the last NOTIFY of a REFER is out (RFC 5057 section 4): a
//! phone that transfers hangs up as soon as it has the 202.

use base::Mono;

use super::Dialog;
use super::leg::Stage;
use super::refer::Referral;
use super::within::Asked;
use crate::endpoint::step::Step;
use crate::message::method::Method;

/// The stage after the BYE of a leg with a referral.
#[derive(Clone, Debug)]
pub(crate) struct Lingering {
    pub(crate) dialog: Dialog,
    pub(crate) referral: Referral,
}

impl Lingering {
    /// What is left of a dialog without its call; `None` when that is nothing.
    pub(crate) fn begin(mut dialog: Dialog, mut referral: Referral, step: &mut Step) -> Option<Stage> {
        referral.release(step, &mut dialog);
        referral.lives().then(|| Stage::Lingering(Box::new(Self { dialog, referral })))
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.referral.deadline()
    }

    /// Stays as long as there is something to tell.
    pub(crate) fn or_gone(self: Box<Self>) -> Option<Stage> {
        self.referral.lives().then_some(Stage::Lingering(self))
    }

    /// A request of the peer: of the call nothing is left.
    pub(crate) fn within(mut self: Box<Self>, step: &mut Step, asked: Asked) -> Option<Stage> {
        if !self.dialog.takes_number(asked.request.cseq().number) {
            asked.answer(step, 500);
        } else if *asked.request.method() == Method::Subscribe {
            self.dialog.flow = step.flow;
            self.referral.subscribe(step, &mut self.dialog, asked);
        } else {
            asked.answer(step, 481);
        }
        self.or_gone()
    }
}
