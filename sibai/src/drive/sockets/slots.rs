//! Things by a small number of their own: found without a search, so that an event of the kernel leads straight to
//! its leg.

/// The numbers are used again, the last freed first.
pub(super) struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Slots<T> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// Gives the number under which it is found from now on.
    pub(super) fn put(&mut self, thing: T) -> usize {
        if let Some(slot) = self.free.pop() {
            self.places[slot] = Some(thing);
            return slot;
        }
        self.places.push(Some(thing));
        self.places.len() - 1
    }

    pub(super) fn get(&self, slot: usize) -> Option<&T> {
        self.places.get(slot)?.as_ref()
    }

    pub(super) fn take(&mut self, slot: usize) -> Option<T> {
        let thing = self.places.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_finds_its_thing_until_it_is_taken_and_is_used_again() {
        let mut slots = Slots::new();
        let (a, b) = (slots.put('a'), slots.put('b'));
        assert_eq!((slots.get(a), slots.get(b), slots.get(9)), (Some(&'a'), Some(&'b'), None));
        assert_eq!((slots.take(a), slots.take(a), slots.get(a)), (Some('a'), None, None));
        assert_eq!(slots.put('c'), a);
        assert_eq!(slots.put('d'), 2);
        assert_eq!(slots.get(a), Some(&'c'));
    }
}
