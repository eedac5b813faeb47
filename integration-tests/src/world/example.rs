//! The shipped example in a World: its line, a carrier, and as many of its seats as a story wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Mono, Timestamp};
use media::prompts::{Prompt, Prompts, load};
use phones::{
    Action, Audio, Behaviour, Call, CallNo, Carrier, CarrierSetup, Dial, Event, Input, Phone, PhoneSetup,
    Script,
};
use sibai::config::Loaded;

use super::{CARRIER, Link, SIBAI, Setting, World};

/// The example's line with a carrier and its seats.
#[derive(Debug)]
pub struct Example {
    /// Everything.
    pub world: World,
    /// The carrier's number in the world.
    pub carrier: usize,
    seats: BTreeMap<String, usize>,
    phones: u16,
}

impl Example {
    /// The example as shipped, with short prompts, at this local time (`2026-10-12T10:00`), on a clean wire.
    pub fn at(local: &str) -> Self {
        Self::with(local, |_| {})
    }

    /// The same, with something changed.
    pub fn with(local: &str, change: impl FnOnce(&mut Setting)) -> Self {
        let mut setting = shipped(local);
        change(&mut setting);
        Self::of(&setting, |_| {})
    }

    /// The example in this setting, with something changed about the carrier.
    pub fn of(setting: &Setting, change: impl FnOnce(&mut CarrierSetup)) -> Self {
        let seed = setting.seed;
        let mut world = World::new(setting);
        let mut carrier = CarrierSetup::new(address(SIBAI), address(CARRIER), address("127.0.0.1:30000"));
        carrier.rtp_ports = 64;
        carrier.seed = seed ^ 0x00ca_4413;
        change(&mut carrier);
        let carrier = world.add(Carrier::new(carrier).into_line());
        // The trunk is probed once before it is used.
        world.run(Duration::from_millis(500));
        Self { world, carrier, seats: BTreeMap::new(), phones: 0 }
    }

    /// A registered phone of a seat.
    pub fn seat(&mut self, name: &str, behaviour: Behaviour) -> usize {
        self.seat_with(name, |setup| setup.behaviour = behaviour)
    }

    /// A registered phone of a seat, with something changed. The first one of a seat is found by its name.
    pub fn seat_with(&mut self, name: &str, change: impl FnOnce(&mut PhoneSetup)) -> usize {
        let phone = self.phone(name, change);
        self.world.tell(phone, Input::Do(Action::Register));
        self.world.run_until(Duration::from_secs(5), |world| world.phone(phone).is_registered());
        phone
    }

    /// A phone of a seat that has not registered yet.
    pub fn phone(&mut self, name: &str, change: impl FnOnce(&mut PhoneSetup)) -> usize {
        let ext = extension(name);
        self.phones += 1;
        let sip = SocketAddr::new(address(SIBAI).ip(), 6000 + self.phones);
        let rtp = SocketAddr::new(address(SIBAI).ip(), 40_000 + 10 * self.phones);
        let mut setup = PhoneSetup::new(ext, address(SIBAI), sip, rtp);
        setup.password = Some(password(ext));
        setup.seed = u64::from(self.phones) + 100;
        change(&mut setup);
        let phone = self.world.add(Phone::new(setup));
        self.seats.entry(name.to_owned()).or_insert(phone);
        phone
    }

    /// The phone of a seat.
    pub fn seat_phone(&self, name: &str) -> usize {
        self.seats.get(name).copied().unwrap_or_else(|| panic!("{name} has no phone"))
    }

    /// A call over the trunk to the line's number.
    pub fn call(&mut self, from: &str, script: Script) -> CallNo {
        let dial = Dial { script, ..carried(from, NUMBER) };
        self.dial(dial)
    }

    /// A call over the trunk.
    pub fn dial(&mut self, dial: Dial) -> CallNo {
        let carrier = self.carrier;
        self.world.tell(carrier, Input::Do(Action::Call(dial)));
        let newest = self.world.phone(carrier).calls().next_back().map(|(no, _)| no);
        newest.unwrap_or_else(|| panic!("the carrier did not call"))
    }

    /// Has a caller do something.
    pub fn caller(&mut self, call: CallNo, action: Action) {
        self.world.tell(self.carrier, Input::DoOn(call, action));
    }

    /// Has a seat's phone do something.
    pub fn act(&mut self, seat: &str, action: Action) {
        let phone = self.seat_phone(seat);
        self.world.tell(phone, Input::Do(action));
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        self.world.run(span);
    }

    /// A call of the carrier.
    pub fn leg(&self, call: CallNo) -> &Call {
        self.world.phone(self.carrier).call(call).unwrap_or_else(|| panic!("{call:?} is forgotten"))
    }

    /// The newest call of a seat.
    pub fn seat_leg(&self, seat: &str) -> &Call {
        let newest = self.world.phone(self.seat_phone(seat)).calls().next_back();
        newest.unwrap_or_else(|| panic!("{seat} had no call")).1
    }

    /// What a caller saw.
    pub fn saw(&self, call: CallNo) -> impl Iterator<Item = (Mono, &Event)> {
        let mine = move |seen: &&super::Seen| seen.phone == self.carrier && seen.call == Some(call);
        self.world.seen().iter().filter(mine).map(|seen| (seen.at, &seen.event))
    }

    /// What a seat's phone saw.
    pub fn seat_saw(&self, seat: &str) -> impl Iterator<Item = (Mono, &Event)> {
        let phone = self.seat_phone(seat);
        self.world.seen().iter().filter(move |seen| seen.phone == phone).map(|seen| (seen.at, &seen.event))
    }

    /// When a caller first saw something of this kind.
    pub fn when(&self, call: CallNo, kind: impl Fn(&Event) -> bool) -> Mono {
        let found = self.saw(call).find(|(_, event)| kind(event)).map(|(at, _)| at);
        found.unwrap_or_else(|| panic!("{call:?} saw only {:?}", self.saw(call).collect::<Vec<_>>()))
    }

    /// When a seat's phone first saw something of this kind.
    pub fn seat_when(&self, seat: &str, kind: impl Fn(&Event) -> bool) -> Mono {
        let found = self.seat_saw(seat).find(|(_, event)| kind(event)).map(|(at, _)| at);
        found.unwrap_or_else(|| panic!("{seat} saw only {:?}", self.seat_saw(seat).collect::<Vec<_>>()))
    }

    /// The record of a caller's call.
    pub fn record(&self, call: CallNo) -> &pbx::CallRecord {
        self.record_of(self.leg(call).call_id())
    }

    /// The record of the call with this Call-ID.
    pub fn record_of(&self, call_id: &str) -> &pbx::CallRecord {
        let mut found = self.world.pbx().finished().iter().filter(|done| done.record.sip_call_id == call_id);
        let first = found.next().unwrap_or_else(|| panic!("{call_id} has no record"));
        assert!(found.next().is_none(), "{call_id} has two records");
        &first.record
    }

    /// Waits until everything is over and forgotten, and checks that nothing is left and nothing went wrong.
    pub fn rest(&mut self) {
        self.run(QUIET);
        let forgotten = |world: &World| world.pbx().node().sip().transactions() == 0;
        assert!(self.world.run_until(QUIET, forgotten), "transactions live on");
        let faults = self.faults();
        assert!(faults.is_empty(), "{faults:#?}");
    }

    /// What is left though nothing should be, and what went wrong.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.world.pbx().faults().to_vec();
        faults.extend_from_slice(self.world.second_reader().faults());
        for phone in self.world.phones() {
            let name = &phone.setup().name;
            faults.extend(phone.faults().map(|fault| format!("{name} says: {fault}")));
            for (no, call) in phone.calls().filter(|(_, call)| call.stage() != phones::Stage::Ended) {
                faults.push(format!("{name}: {no:?} is still {:?}", call.stage()));
            }
        }
        let pbx = self.world.pbx();
        let node = pbx.node();
        let left = [
            ("channels of the node", node.channels()),
            ("legs of the media workers", pbx.open_legs()),
            ("legs of SIP", node.sip().legs()),
            ("calls of the brain", usize::from(!node.brain().is_idle())),
        ];
        faults.extend(left.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("left over: {n} {what}")));
        for (recording, take) in pbx.takes().iter().filter(|(_, take)| take.ended.is_none()) {
            faults.push(format!("{recording} of {} was never ended", take.record.call));
        }
        faults
    }
}

/// The shipped example at this local time, with prompts of a third of a second, on a clean wire.
pub fn shipped(local: &str) -> Setting {
    let loaded = built_in(local);
    let plan = loaded.plan.clone().unwrap_or_else(|| panic!("{}", sibai::config::report(&loaded)));
    Setting {
        users: plan.extensions.keys().map(|ext| (ext.as_str().to_owned(), password(ext.as_str()))).collect(),
        prompts: Arc::new(short_prompts(&loaded)),
        plan,
        at: moment(local),
        link: Link::CLEAN,
        workers: 2,
        hop: Duration::ZERO,
        portless: 0,
        seed: 1,
    }
}

/// The example inside the binary, checked on the day of this local time.
pub fn built_in(local: &str) -> Loaded {
    let day = local.split('T').next().unwrap_or_default();
    sibai::config::built_in(day.parse().unwrap_or_else(|error| panic!("{day}: {error}")))
}

/// A tone of its own for each prompt, in the order of their names: 1000 Hz, 1100 Hz...
pub fn short_prompts(loaded: &Loaded) -> Prompts {
    let mut names: Vec<_> = loaded.prompt_files.iter().map(|file| (&file.line, &file.prompt)).collect();
    names.sort();
    let mut prompts = Prompts::default();
    for (n, (line, prompt)) in names.into_iter().enumerate() {
        let tone = Audio::tone(prompt_hz(n), PROMPT);
        let samples: Vec<f32> = tone.samples().iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
        prompts.insert(line.clone(), prompt.clone(), Prompt::from_linear(&samples));
    }
    prompts
}

/// The tone of the prompt with this place in the order of names.
fn prompt_hz(place: usize) -> f64 {
    1000.0 + 100.0 * place as f64
}

/// The tone that stands for a prompt of the example.
pub fn tone_of(prompt: &str) -> u32 {
    let mut names: Vec<_> = built_in("2026-10-12").prompt_files.into_iter().map(|file| file.prompt).collect();
    names.sort();
    let place = names.iter().position(|name| name.as_str() == prompt);
    prompt_hz(place.unwrap_or_else(|| panic!("there is no prompt {prompt}"))) as u32
}

/// The prompts as shipped.
pub fn real_prompts() -> Prompts {
    let loaded = built_in("2026-10-12");
    let mut prompts = Prompts::default();
    for file in &loaded.prompt_files {
        let bytes = loaded.read(&file.path).unwrap_or_else(|error| panic!("{}: {error}", file.path));
        let prompt = load(&bytes, Some("wav")).unwrap_or_else(|error| panic!("{}: {error}", file.path));
        prompts.insert(file.line.clone(), file.prompt.clone(), prompt);
    }
    prompts
}

/// A call as carriers deliver it: the caller in From and asserted.
pub fn carried(from: &str, number: &str) -> Dial {
    let asserted = format!("<sip:{from}@{CARRIER}>");
    Dial { from: Some(from.into()), asserted: Some(asserted), ..Dial::to(number) }
}

/// A local time of the line, in China.
fn moment(local: &str) -> Timestamp {
    let seconds = if local.matches(':').count() < 2 { ":00" } else { "" };
    let text = format!("{local}{seconds}+08:00");
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn extension(seat: &str) -> &'static str {
    let found = EXTENSIONS.iter().find(|(name, _)| *name == seat);
    found.unwrap_or_else(|| panic!("{seat} has no extension")).1
}

fn password(ext: &str) -> String {
    format!("secret of {ext}")
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What the carrier delivers for 400-555-0100.
pub const NUMBER: &str = "057155550100";

/// The seats of the example that are extensions.
pub const EXTENSIONS: [(&str, &str); 4] =
    [("li_na", "8001"), ("wang_wei", "8002"), ("zhao_min", "8003"), ("chen_hao", "8004")];

/// How long each prompt lasts.
pub const PROMPT: Duration = Duration::from_millis(300);

/// 64 times T1, after which no transaction lives (RFC 3261 table 4), and some.
pub const QUIET: Duration = Duration::from_secs(40);
