//! What a person needs at the start: how to register a softphone, which number to dial, where the API is.

use std::fmt::Write;

use super::Process;

/// The text; secrets that were made at this start are in it, and nowhere else.
pub(super) fn text(process: &Process) -> String {
    let mut text = String::from("Sibai serves\n");
    for listener in &process.listeners {
        let transport = listener.transport.as_str();
        let _ = writeln!(text, "  SIP   {transport}://{}", listener.address);
    }
    let _ = writeln!(text, "  API   http://{}/v1/recordings", process.api);
    if process.clock.is_shifted() {
        let _ = writeln!(text, "  clock {} (--at)", process.clock.wall());
    }
    lines(process, &mut text);
    secrets(process, &mut text);
    text
}

fn lines(process: &Process, text: &mut String) {
    for line in process.plan.lines.values() {
        let _ = writeln!(text, "\n{} ({})", line.title, line.id);
        for number in &line.numbers {
            let arrives: Vec<_> = number.arrives_as.iter().map(base::PhoneNumber::national).collect();
            let _ = write!(text, "  number {}", number.number.national());
            let _ = if arrives.is_empty() {
                writeln!(text)
            } else {
                writeln!(text, ", arrives as {}", arrives.join(", "))
            };
        }
        for (name, seat) in &line.seats {
            if let ivr::line::Reach::Ext(ext) = &seat.reach {
                let _ = writeln!(text, "  seat {ext}  {name} {}", seat.title);
            }
        }
    }
}

fn secrets(process: &Process, text: &mut String) {
    let secrets = &process.secrets;
    if secrets.passwords.is_empty() && secrets.token.is_none() {
        text.push_str("\nPasswords and tokens were shown when they were made: `sibai seat password NAME` and\n`sibai token new` make new ones.\n");
        return;
    }
    text.push_str("\nMade now, shown only this once:\n");
    for (extension, password) in &secrets.passwords {
        let _ = writeln!(text, "  seat {}  password {password}  ({})", extension.user, extension.seat);
    }
    if let Some(token) = &secrets.token {
        let _ = writeln!(text, "  API token {token}");
        let _ =
            writeln!(text, "  curl -H 'Authorization: Bearer {token}' http://{}/v1/recordings", process.api);
    }
    let address = process.listeners.first().map(|listener| listener.address);
    if let (Some(address), Some((extension, _)), Some(number)) =
        (address, secrets.passwords.first(), process.plan.numbers.values().next())
    {
        let _ = writeln!(
            text,
            "\nRegister a softphone as {} at {address} and dial {}: you are the line's own caller.",
            extension.user,
            number.1.national()
        );
    }
}
