//! Buffers for pictures that come back when the last reader lets go of them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

/// Keeps a few used buffers so that a steady stream of frames allocates no picture memory.
///
/// One per producer: the lock is shared with nothing but the readers of its frames.
#[derive(Debug)]
pub struct Pool {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
    keep: usize,
}

impl Pool {
    /// A pool that keeps at most `keep` buffers; what comes back beyond that is freed.
    pub fn new(keep: usize) -> Self {
        Self {
            idle: Arc::new(Mutex::new(Vec::with_capacity(keep))),
            keep,
        }
    }

    /// An empty buffer, a used one if there is one; for [`Self::lend`].
    pub fn take(&self) -> Vec<u8> {
        let mut buffer = lock(&self.idle).pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// A copy of `data` in a buffer that returns here with the last clone of the result.
    pub fn copy(&self, data: &[u8]) -> Bytes {
        let mut buffer = self.take();
        buffer.extend_from_slice(data);
        self.lend(buffer)
    }

    /// What was written to `buffer`, which returns here with the last clone of the result.
    pub fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent {
            buffer,
            home: Arc::downgrade(&self.idle),
            keep: self.keep,
        })
    }

    /// Buffers that wait for their next use.
    #[cfg(test)]
    fn idle(&self) -> usize {
        lock(&self.idle).len()
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: Weak<Mutex<Vec<Vec<u8>>>>,
    keep: usize,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            let mut idle = lock(&home);
            if idle.len() < self.keep {
                idle.push(std::mem::take(&mut self.buffer));
            }
        }
    }
}

/// A list of spare buffers is valid whatever happened to the thread that held the lock.
fn lock(idle: &Mutex<Vec<Vec<u8>>>) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::Pool;

    #[test]
    fn a_buffer_comes_back_with_its_last_reader_and_is_used_again() {
        let pool = Pool::new(2);
        let first = pool.copy(&[1; 1000]);
        let address = first.as_ptr();
        let reader = first.clone();
        drop(first);
        assert_eq!(pool.idle(), 0, "a reader still holds the frame");
        assert_eq!(reader, vec![1; 1000]);
        drop(reader);
        assert_eq!(pool.idle(), 1);
        let second = pool.copy(&[2; 900]);
        assert_eq!(second.as_ptr(), address);
        assert_eq!(second, vec![2; 900]);
    }

    #[test]
    fn the_pool_is_bounded_and_frames_outlive_it() {
        let pool = Pool::new(2);
        let frames: Vec<_> = (0..5).map(|n| pool.copy(&[n])).collect();
        drop(frames);
        assert_eq!(pool.idle(), 2);
        let last = pool.copy(b"still here");
        drop(pool);
        assert_eq!(&last[..], b"still here");
    }
}
