//! A place that one step of a plan fills and later steps read, in the parent or, as clone3(2)
//! copies memory and descriptors, in the child.

use std::cell::OnceCell;
use std::rc::Rc;

/// The place. Its clones are the same place.
pub struct Slot<T>(Rc<OnceCell<T>>);

impl<T> Slot<T> {
    /// An empty one.
    pub fn new() -> Slot<T> {
        Slot(Rc::new(OnceCell::new()))
    }

    /// Fills it. Only one step of a plan does.
    pub fn put(&self, thing: T) {
        assert!(self.0.set(thing).is_ok(), "two steps fill one slot");
    }

    /// What an earlier step has put there.
    pub fn get(&self) -> &T {
        self.0.get().expect("the step that fills this slot comes earlier in the plan")
    }

    /// The same, in a plan that may not have such a step.
    pub fn find(&self) -> Option<&T> {
        self.0.get()
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot::new()
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Slot<T> {
        Slot(Rc::clone(&self.0))
    }
}
