//! A number in the URIs of a trunk: sip, sip with `user=phone`, tel (RFC 3261 section 19.1.6, RFC 3966).

use std::borrow::Cow;

use crate::endpoint::login::transport_param;
use crate::header::uri::{Scheme, Uri};
use crate::seam::{Diverting, DivertingForm, Flow, NumberUri, Trunk};

/// Request-URI and To of a number over a trunk, on this way.
pub(crate) fn of_number(trunk: &Trunk, number: &str, flow: &Flow) -> Option<(Uri, Uri)> {
    let to = match trunk.uri {
        NumberUri::Tel => {
            let tel = tel(number)?;
            return Some((tel.clone(), tel));
        }
        NumberUri::Sip => Uri::sip(Some(number), &trunk.host, trunk.port).ok()?,
        NumberUri::Phone => {
            Uri::sip(Some(number), &trunk.host, trunk.port).ok()?.with_param("user", "phone").ok()?
        }
    };
    let uri = match transport_param(flow) {
        "" => to.clone(),
        transport => to.with_param("transport", transport).ok()?,
    };
    Some((uri, to))
}

/// A local number means nothing without the country in which it is dialled (RFC 3966 section 5.1.5).
fn tel(number: &str) -> Option<Uri> {
    let context = if number.starts_with('+') { "" } else { HOME };
    Uri::parse(&format!("tel:{number}{context}")).ok()
}

/// The number of a sip or tel URI: with what its phone-context says before it, and nothing behind it.
pub(crate) fn number(uri: &Uri) -> String {
    let user = uri.user().unwrap_or(Cow::Borrowed(""));
    // In a sip URI the parameters of the number stand in the user part (RFC 3261 section 19.1.6).
    let (digits, inside) = user.split_once(';').unwrap_or((&user, ""));
    let context = match uri.scheme() {
        Scheme::Tel => uri.param("phone-context").map(str::to_owned),
        _ => inside.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.eq_ignore_ascii_case("phone-context").then(|| value.to_owned())
        }),
    };
    // A domain as context says whose plan it is, not which digits stand before.
    match context.filter(|context| context.starts_with('+') && !digits.starts_with('+')) {
        // Inside a country the trunk prefix is not part of the number.
        Some(context) => format!("{context}{}", digits.strip_prefix('0').unwrap_or(digits)),
        None => digits.to_owned(),
    }
}

/// The header that names the diverting party: its name and value.
pub(crate) fn diverting(diverting: &Diverting, host: &str, target: &Uri) -> Option<(&'static str, String)> {
    let from = Uri::sip(Some(&diverting.number), host, None).ok()?;
    Some(match diverting.form {
        DivertingForm::Diversion => ("Diversion", format!("<{from}>;reason=unconditional;counter=1")),
        // The second entry says that it was sent there and why (RFC 7044 section 5, RFC 4458 for the cause).
        DivertingForm::HistoryInfo => {
            let to = match target.scheme() {
                Scheme::Tel => target.clone(),
                _ => target.with_param("cause", "302").ok()?,
            };
            ("History-Info", format!("<{from}>;index=1, <{to}>;index=1.1;mp=1"))
        }
    })
}

/// Numbers without `+` are dialled in China.
const HOME: &str = ";phone-context=+86";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_with_its_context_and_without_its_parameters() {
        for (uri, expected) in [
            ("sip:13800138000@h", "13800138000"),
            ("sip:+8613800138000@h;user=phone", "+8613800138000"),
            ("tel:+86-138-0013-8000", "+86-138-0013-8000"),
            ("tel:13800138000;phone-context=+86", "+8613800138000"),
            ("tel:057155550100;phone-context=+86", "+8657155550100"),
            ("tel:55550100;phone-context=+86571", "+8657155550100"),
            ("tel:801;phone-context=sibai.test", "801"),
            ("sip:55550100;phone-context=+86571@h;user=phone", "+8657155550100"),
            ("sip:4008001234;isub=1@h;user=phone", "4008001234"),
            ("sip:h", ""),
        ] {
            assert_eq!(number(&Uri::parse(uri).unwrap()), expected, "{uri}");
        }
    }
}
