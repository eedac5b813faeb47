//! Responses: to whoever sent the request.

use base::Now;

use super::Endpoint;
use super::wire::Owner;
use crate::dialog::leg::Stage;
use crate::dialog::{placing, refresh};
use crate::message::Message;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::seam::Flow;
use crate::transaction::Key;
use crate::trunk::enrolment::Exchange;

impl Endpoint {
    pub(super) fn response(&mut self, now: Now, flow: Flow, response: &Message) {
        let asked = self.wire.keys.client(response).and_then(|key| self.wire.client(&key));
        if asked.is_some_and(|client| !self.wire.is_from(&client.flow, &flow)) {
            return self.refused(flow.remote, response.method().as_str(), 0, "source");
        }
        // A response that is nobody's has no effect (RFC 3261 section 18.1.2): keep-alives are not waited for.
        let Some((key, client)) = self.wire.received(now.mono, response) else { return };
        // What went over TCP for its length alone goes on over UDP (RFC 3261 section 18.1.1).
        let flow = client.fallback.as_ref().map_or(flow, |original| original.0);
        let request = client.request;
        let status = response.status().unwrap_or(500);
        match client.owner {
            Owner::Invite(leg) => {
                let is_success = (200..300).contains(&status);
                if self.legs.leg(leg).is_none() && is_success {
                    return self.dismiss(now, flow, &key, &request, response);
                }
                self.step_leg(now, leg, Some(flow), |step, stage| match stage {
                    Stage::Placing(placing) => placing.response(step, &key, &request, response),
                    // Another fork made the leg: this one is ACKed and BYEd (section 13.2.2.4).
                    other => {
                        if is_success {
                            refresh::dismiss(step, &key, &request, response);
                        }
                        Some(other)
                    }
                });
            }
            Owner::Refresh(leg) => self.step_leg(now, leg, Some(flow), |step, stage| match stage {
                Stage::Up(up) => up.refreshed(step, &key, &request, response),
                other => Some(other),
            }),
            Owner::Prack(leg) => self.step_leg(now, leg, Some(flow), |step, stage| match stage {
                Stage::Placing(mut placing) => {
                    placing.prack_answered(step, &key, &request, response);
                    Some(Stage::Placing(placing))
                }
                other => Some(other),
            }),
            Owner::Bye(leg) => self.step_leg(now, leg, Some(flow), |step, stage| match stage {
                Stage::Leaving(leaving) => leaving.response(step, &key, &request, response),
                other => Some(other),
            }),
            Owner::Notify(leg) => self.step_leg(now, leg, Some(flow), |step, mut stage| {
                if let Some((dialog, referral)) = stage.referral() {
                    referral.notified(step, dialog, &key, status);
                }
                stage.settle(step)
            }),
            Owner::Watch(id) => {
                let later = response.number(Header::RetryAfter).ok();
                self.subscriptions.notified(now.mono, &mut self.wire, id, &key, (status, later));
            }
            Owner::Probe(trunk) if status >= 200 => {
                self.probes.answered(now.mono, &mut self.wire, &trunk, &key, status);
            }
            Owner::Left if (200..300).contains(&status) => {
                placing::acknowledge(&mut self.wire, &key, &request, response, flow, None);
            }
            Owner::Registration(trunk) if status >= 200 => {
                let exchange = Exchange { key: &key, flow, request: &request, response };
                self.enrolments.answered(now.mono, &mut self.wire, &trunk, &exchange);
            }
            Owner::Stray => match status {
                ..200 => self.wire.cancel_stray(now.mono, &key),
                200..300 => self.dismiss(now, flow, &key, &request, response),
                _ => {}
            },
            // A cancelled stray is answered all the same when its CANCEL came too late.
            Owner::Nobody if *request.method() == Method::Invite && (200..300).contains(&status) => {
                self.dismiss(now, flow, &key, &request, response);
            }
            Owner::Probe(_) | Owner::Registration(_) | Owner::Left | Owner::Nobody => {}
        }
    }

    /// A 2xx whose leg has ended meanwhile.
    fn dismiss(&mut self, now: Now, flow: Flow, key: &Key, request: &Message, response: &Message) {
        let made = placing::acknowledge(&mut self.wire, key, request, response, flow, None);
        let Some(mut dialog) = made else { return };
        if let Some((way, bye)) = dialog.request(&mut self.wire, &Method::Bye) {
            self.wire.request(now.mono, way, bye.finish(), Owner::Nobody);
        }
    }
}
