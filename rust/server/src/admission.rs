//! How many sockets may be open: in all, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts open sockets.
pub(crate) struct Admission {
    most: usize,
    most_per_address: usize,
    open: Mutex<Open>,
    next: AtomicU64,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One admitted socket; dropping it makes room.
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    address: IpAddr,
    /// The socket's number, unique in this process.
    pub number: u64,
}

impl Admission {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_address, open: Mutex::default(), next: AtomicU64::new(1) })
    }

    /// Lets a socket in, unless there are too many.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admitted> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.by_address.get(&address).copied().unwrap_or_default();
        // Behind a loopback address there is a proxy on this machine, with many people behind it.
        if open.all >= self.most || (here >= self.most_per_address && !address.is_loopback()) {
            return None;
        }
        open.all += 1;
        open.by_address.insert(address, here + 1);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Some(Admitted { admission: Arc::clone(self), address, number })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(here) = open.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_counted_in_all_and_per_address() {
        let admission = Admission::new(3, 2);
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let first = admission.admit(here).unwrap();
        let second = admission.admit(here).unwrap();
        assert_ne!(first.number, second.number);
        assert!(admission.admit(here).is_none(), "two from one address");
        let third = admission.admit(there).unwrap();
        assert!(admission.admit(there).is_none(), "three in all");
        drop(first);
        assert!(admission.admit(here).is_some());
        drop((second, third));
        assert!(admission.open.lock().unwrap().by_address.is_empty());
    }
}
