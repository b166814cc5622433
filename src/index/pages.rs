//! Memory for what is probed at random: in huge pages where the system has them, since most of
//! the time of a probe else goes into finding the page.

use std::io;

use memmap2::MmapMut;

/// Of x86-64, and of aarch64 with its usual pages.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Zeros at first.
pub(super) enum Pages {
    /// Too little for a huge page.
    Small(Vec<u8>),
    Mapped(MmapMut),
}

impl Pages {
    /// None at all.
    pub(super) fn none() -> Pages {
        Pages::Small(Vec::new())
    }

    /// Memory of at least this many bytes.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn zeroed(bytes: usize) -> io::Result<Pages> {
        if !has_huge_pages(bytes) {
            return Ok(Pages::Small(vec![0; bytes]));
        }
        let map = MmapMut::map_anon(Pages::bytes_for(bytes))?;
        // A wish: where it is not granted, small pages do.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Pages::Mapped(map))
    }

    /// Memory of this many bytes that begins with a page.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn mapped(bytes: usize) -> io::Result<Pages> {
        MmapMut::map_anon(bytes.max(1)).map(Pages::Mapped)
    }

    /// Takes other memory if this is not as much. What is in it is of no meaning then.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn reach(&mut self, bytes: usize) -> io::Result<&mut [u8]> {
        if self.bytes().len() < bytes {
            *self = Pages::mapped(bytes)?;
        }
        Ok(&mut self.bytes_mut()[..bytes])
    }

    /// How much is taken for this many bytes.
    pub(super) fn bytes_for(bytes: usize) -> usize {
        match has_huge_pages(bytes) {
            true => bytes.next_multiple_of(HUGE_PAGE_BYTES),
            false => bytes,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Pages::Small(bytes) => bytes,
            Pages::Mapped(map) => map,
        }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Pages::Small(bytes) => bytes,
            Pages::Mapped(map) => map,
        }
    }
}

/// Not where much of them would be of no use.
fn has_huge_pages(bytes: usize) -> bool {
    let taken = bytes.next_multiple_of(HUGE_PAGE_BYTES);
    bytes > 0 && taken - bytes <= taken / 2
}
