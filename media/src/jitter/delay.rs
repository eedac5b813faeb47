//! How much delay a stream needs: what its packets' lateness has been, against the earliest of them.

/// The lateness of a stream's packets.
#[derive(Clone, Debug)]
pub(super) struct Delay {
    clock: i64,
    /// The least transit (arrival less timestamp) of this stretch of time and of the one before. It
    /// follows the sender's clock, whichever way that drifts.
    least: Option<i64>,
    least_before: Option<i64>,
    stretch_ends: i64,
    /// The newest transit.
    last: i64,
    /// How often packets were so many steps late, forgetting slowly; the sum is about `WHOLE`.
    steps: [u32; STEPS],
    target: i64,
}

impl Delay {
    pub(super) fn new(clock: u32) -> Self {
        let clock = i64::from(clock);
        let mut steps = [0; STEPS];
        steps[FIRST_STEP] = WHOLE;
        let target = clock / 1000 * STEP_MS * (FIRST_STEP as i64 + 2);
        Self { clock, least: None, least_before: None, stretch_ends: 0, last: 0, steps, target }
    }

    /// Another stream: its clock is another, the network is the same.
    pub(super) fn restart(&mut self) {
        self.least = None;
        self.least_before = None;
    }

    /// Whether a packet's transit has nothing to do with those before.
    pub(super) fn is_jump(&self, arrived: i64, timestamp: i64) -> bool {
        self.least.is_some() && (arrived - timestamp - self.last).abs() > self.clock / 1000 * JUMP_MS
    }

    pub(super) fn measure(&mut self, arrived: i64, timestamp: i64) {
        let transit = arrived - timestamp;
        self.last = transit;
        if self.least.is_none() || arrived >= self.stretch_ends {
            self.least_before = self.least;
            self.least = Some(transit);
            self.stretch_ends = arrived + self.clock * STRETCH_SECS;
        }
        self.least = self.least.map(|least| least.min(transit));
        let step = self.clock / 1000 * STEP_MS;
        let late = ((transit - self.base()) / step).clamp(0, STEPS as i64 - 1);
        for count in &mut self.steps {
            *count -= *count >> FORGET;
        }
        self.steps[late as usize] += WHOLE >> FORGET;
        // The step's own length, and the tick of the consumer, who may ask that much too early.
        self.target = step * (self.enough() as i64 + 2);
    }

    /// The delay to aim at, in ticks.
    pub(super) fn target(&self) -> i64 {
        self.target
    }

    /// How much longer than needed the packet of this timestamp waits if it is played now; negative when
    /// it should wait still.
    pub(super) fn excess(&self, now: i64, timestamp: i64) -> i64 {
        now - timestamp - self.base() - self.target
    }

    fn base(&self) -> i64 {
        let least = self.least.unwrap_or_default();
        self.least_before.map_or(least, |before| before.min(least))
    }

    /// The step within which all but a few packets come.
    fn enough(&self) -> usize {
        let all: u32 = self.steps.iter().sum();
        let mut beyond = 0;
        for step in (1..STEPS).rev() {
            beyond += self.steps[step];
            if beyond > all / LATE_SHARE {
                return step;
            }
        }
        0
    }
}

/// Lateness is counted in steps of 10 ms; the longest delay is 200 ms, the shortest 20.
const STEP_MS: i64 = 10;
const STEPS: usize = 19;
pub(super) const LONGEST_MS: u64 = 200;

/// Before anything is known: 40 ms.
const FIRST_STEP: usize = 2;

/// The sum of the counts, and how slowly they forget: to a third in 256 packets, five seconds of 20 ms.
const WHOLE: u32 = 1 << 24;
const FORGET: u32 = 8;

/// One packet of a hundred may come too late.
const LATE_SHARE: u32 = 100;

/// The earliest packet is looked for in stretches of this length; a drift of 200 ppm makes 1 ms in it.
const STRETCH_SECS: i64 = 5;

/// A packet that is so much off could not be played in its time whatever the delay: the sender's clock
/// jumped, or the network stood still.
const JUMP_MS: i64 = 300;
