//! Ending long work early.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that ends work once it is raised, from whatever thread.
///
/// ```
/// use pemdp::interrupt::Interrupt;
/// let interrupt = Interrupt::new();
/// assert!(interrupt.flow().is_continue());
/// assert!(!interrupt.raise());
/// assert!(interrupt.flow().is_break());
/// ```
#[derive(Debug, Default)]
pub struct Interrupt(AtomicBool);

impl Interrupt {
    /// A flag that is not raised.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// A flag that is raised already.
    pub const fn raised() -> Self {
        Self(AtomicBool::new(true))
    }

    /// Raises it; whether it had been.
    pub fn raise(&self) -> bool {
        self.0.swap(true, Ordering::SeqCst)
    }

    /// Whether it is raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether to go on.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
