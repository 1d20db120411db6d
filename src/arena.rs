//! The allocator: the first blocks of a run come from one piece of memory that is part of the program, later and large ones
//! from the system.
//!
//! A warm line makes some hundred small blocks and ends. Where they come from a general allocator, a quarter of all
//! instructions of a static build (a tenth of a dynamic one) goes there, with system calls for the first page. Here a block is an addition.
//! Blocks are not reused one by one, only from the end backwards: what runs longer soon lives on the system's allocator
//! alone, which is the better one for that.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Three times what a line takes. Pages that are never touched cost nothing.
const SIZE: usize = 64 * 1024;
/// What is larger is a file or an answer, and would leave no room for the small ones.
const LARGEST: usize = SIZE / 4;

/// Memory for the whole program, to be its `#[global_allocator]`.
pub struct Arena {
    memory: UnsafeCell<MaybeUninit<[u8; SIZE]>>,
    /// Bytes given away, from the beginning.
    used: AtomicUsize,
}

// SAFETY: a byte of `memory` belongs to whoever moved `used` past it, in one atomic step.
unsafe impl Sync for Arena {}

impl Arena {
    #[expect(clippy::new_without_default, reason = "there is one, made at compile time")]
    pub const fn new() -> Arena {
        Arena { memory: UnsafeCell::new(MaybeUninit::uninit()), used: AtomicUsize::new(0) }
    }

    fn start(&self) -> *mut u8 {
        self.memory.get().cast()
    }

    /// Where in the arena a block begins, if it is in it.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        let offset = block.addr().wrapping_sub(self.start().addr());
        (offset < SIZE).then_some(offset)
    }

    /// A block of the arena; `None` where it has no room.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        if layout.size() > LARGEST {
            return None;
        }
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let address = self.start().addr() + used;
            let begin = used + (address.next_multiple_of(layout.align()) - address);
            let end = begin + layout.size();
            if end > SIZE {
                return None;
            }
            match self.used.compare_exchange_weak(used, end, Ordering::Relaxed, Ordering::Relaxed) {
                // SAFETY: begin is within the memory.
                Ok(_) => return Some(unsafe { self.start().add(begin) }),
                Err(now) => used = now,
            }
        }
    }

    /// Moves the end of the block that ends at `from` to `to`; `false` where it is not the last one.
    fn move_end(&self, from: usize, to: usize) -> bool {
        to <= SIZE && self.used.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

// SAFETY: blocks of the arena do not overlap, see `take`, are aligned as asked for, and stay where they are until they are freed; all
// others are the system's.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(block) => block,
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.offset(block) {
            Some(begin) => {
                self.move_end(begin + layout.size(), begin);
            }
            // SAFETY: the caller's promise; the block is not ours, so it is the system's.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(block) => {
                // A block that was given back can be here again.
                // SAFETY: it is as long as that.
                unsafe { block.write_bytes(0, layout.size()) };
                block
            }
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(begin) = self.offset(block) else {
            // SAFETY: the caller's promise; the block is the system's.
            return unsafe { System.realloc(block, layout, size) };
        };
        if size <= LARGEST && self.move_end(begin + layout.size(), begin + size) {
            return block;
        }
        // SAFETY: the caller promises that the size is one that a layout can have, and the old block is as long as said.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_are_aligned_and_apart() {
        let arena = Arena::new();
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        for (size, align) in [(1, 1), (8, 8), (3, 1), (100, 64), (1, 1), (4096, 4096), (5, 2)] {
            // SAFETY: the size is not zero.
            let block = unsafe { arena.alloc(layout(size, align)) };
            assert!(arena.offset(block).is_some());
            assert_eq!(block.addr() % align, 0, "{size} {align}");
            blocks.push((block.addr(), block.addr() + size));
        }
        assert!(blocks.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{blocks:?}");
    }

    #[test]
    fn the_last_block_is_given_back_and_grows_where_it_is() {
        let arena = Arena::new();
        // SAFETY: blocks are used as long as they are, and freed once with the layout they have.
        unsafe {
            let first = arena.alloc(layout(16, 8));
            let second = arena.alloc(layout(16, 8));
            second.write_bytes(7, 16);
            assert_eq!(arena.realloc(second, layout(16, 8), 32), second);
            arena.dealloc(second, layout(32, 8));
            let zeroed = arena.alloc_zeroed(layout(16, 8));
            assert_eq!(zeroed, second);
            assert_eq!(std::slice::from_raw_parts(zeroed, 16), [0; 16]);
            // Not the last one: it moves, and takes what is in it along.
            first.write_bytes(9, 16);
            let moved = arena.realloc(first, layout(16, 8), 24);
            assert_ne!(moved, first);
            assert_eq!(std::slice::from_raw_parts(moved, 16), [9; 16]);
        }
    }

    #[test]
    fn what_has_no_room_is_the_systems() {
        let arena = Arena::new();
        // SAFETY: as above.
        unsafe {
            let large = arena.alloc(layout(LARGEST + 1, 1));
            assert!(arena.offset(large).is_none());
            arena.dealloc(large, layout(LARGEST + 1, 1));
            let mut count = 0;
            let small = loop {
                let block = arena.alloc(layout(1000, 8));
                if arena.offset(block).is_none() {
                    break block;
                }
                count += 1;
            };
            assert_eq!(count, SIZE / 1000);
            small.write_bytes(1, 1000);
            let grown = arena.realloc(small, layout(1000, 8), 100_000);
            assert_eq!(*grown.add(999), 1);
            arena.dealloc(grown, layout(100_000, 8));
        }
    }

    #[test]
    fn threads_get_different_blocks() {
        let arena = Arena::new();
        let blocks = |arena: &Arena| {
            // SAFETY: the size is not zero.
            (0..200).map(|_| unsafe { arena.alloc(layout(24, 8)) }.addr()).collect::<Vec<usize>>()
        };
        let mut all: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| blocks(&arena))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] + 24 <= pair[1]));
    }
}
