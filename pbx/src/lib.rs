//! The brain: numbers, calls, legs, seats, queues, hunts; every decision of a call.
