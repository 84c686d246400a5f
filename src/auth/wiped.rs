//! Bytes that may hold a secret, as they arrive.
//!
//! Owns that none of them stay in memory: neither when they are dropped, nor where they were before they grew. Refuses to be
//! printed.

use std::fmt;
use std::io;
use std::ops::Deref;

use zeroize::Zeroizing;

/// Bytes that are wiped from memory: when dropped, and when they move.
#[derive(Default)]
pub struct Wiped(Zeroizing<Vec<u8>>);

impl Wiped {
    /// Takes more bytes.
    pub fn append(&mut self, more: &[u8]) {
        let needed = self.0.len() + more.len();
        if needed > self.0.capacity() {
            // A vector that grows by itself leaves its old place as it was.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(more);
    }
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl io::Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;

    #[test]
    fn it_grows_into_new_memory_and_is_not_shown() {
        fn is_wiped(_: &impl ZeroizeOnDrop) {}
        let (mut wiped, mut expected) = (Wiped::default(), Vec::new());
        for chunk in [&b"sec"[..], b"", b"ret", &[7; 1000]] {
            let (place, room) = (wiped.as_ptr(), wiped.0.capacity());
            wiped.append(chunk);
            expected.extend_from_slice(chunk);
            assert_eq!(*wiped, *expected);
            // The vector itself has never grown: then the place would be old memory that nobody wiped.
            assert_eq!(wiped.as_ptr() == place, expected.len() <= room);
        }
        is_wiped(&wiped.0);
        assert_eq!(format!("{wiped:?}"), "***");
    }
}
