//! Images read where they stand: in the file, mapped into the address space, or in the memory that
//! it was unpacked into.
//!
//! Most images of the archive stand in their files as plain big-endian numbers. Those need not be
//! copied from the system's memory into ours, which costs more than what is then done with them.
//!
//! A mapped file may be shortened by another program, or its disk may fail, while it is read. The
//! system then sends the reading thread the signal SIGBUS, which would end the process. Here a
//! handler puts bytes of 0xff in the place of the missing ones, lets the thread go on and remembers
//! it. As numbers these bytes are NaN, and all flags set, so that no sum takes them for data;
//! [`MappedImage::is_intact`] tells afterwards, and the image is then reported as failed. The
//! handler passes signals about other addresses on to the handler that was there before it.
//!
//! Only Linux can exchange pages in one step (`mremap`), which the handler needs; on other systems
//! files are read and not mapped.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "a mapped file is no memory that the compiler knows of")
)]

use std::fs::File;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::pixels::{Pixels, PlaneSample};

/// The bytes of a whole file.
#[derive(Debug, Clone)]
pub(super) enum Mapping {
    /// In the address space.
    #[cfg(target_os = "linux")]
    File(Arc<guarded::MappedFile>),
    /// Unpacked.
    Memory(Arc<Vec<u8>>),
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            #[cfg(target_os = "linux")]
            Self::File(file) => file,
            Self::Memory(bytes) => bytes,
        }
    }
}

/// Maps the first `len` bytes of a file; `None` where the system cannot.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "files are not mapped"))]
pub(super) fn map(file: &File, len: u64) -> Option<Mapping> {
    #[cfg(target_os = "linux")]
    return guarded::MappedFile::new(file, usize::try_from(len).ok()?)
        .map(|file| Mapping::File(Arc::new(file)));
    #[cfg(not(target_os = "linux"))]
    None
}

/// An image that stands in its file as plain numbers; the file stays mapped as long as this lives.
#[derive(Debug, Clone)]
pub struct MappedImage<T> {
    file: Mapping,
    bytes: Range<usize>,
    of: PhantomData<T>,
}

impl<T: PlaneSample> MappedImage<T> {
    /// The image of `count` pixels from byte `start` on; `None` where the file ends before.
    pub(super) fn new(file: Mapping, start: u64, count: usize) -> Option<Self> {
        let start = usize::try_from(start).ok()?;
        let bytes = start..start.checked_add(count.checked_mul(size_of::<T>())?)?;
        (bytes.end <= file.len()).then_some(Self { file, bytes, of: PhantomData })
    }

    /// Its pixels, in the order of the file.
    pub fn pixels(&self) -> Pixels<'_, T> {
        Pixels::Fits(self.file[self.bytes.clone()].as_chunks().0)
    }

    /// False once a part of the file was asked for that could not be read, because the file was
    /// shortened or the disk failed; pixels in it are NaN, flags all set.
    pub fn is_intact(&self) -> bool {
        match &self.file {
            #[cfg(target_os = "linux")]
            Mapping::File(file) => file.is_intact(),
            Mapping::Memory(_) => true,
        }
    }
}

#[cfg(target_os = "linux")]
mod guarded {
    use std::ffi::{c_int, c_void};
    use std::fs::File;
    use std::ops::Deref;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use memmap2::{Mmap, MmapOptions};

    /// Files that can be mapped at the same time; further ones are read.
    const SLOTS: usize = 1024;
    /// Bytes that the handler replaces at a time, from the page on that is missing.
    const PATCH: usize = 1 << 20;

    /// The addresses of a mapped file, which the handler looks up. `start` is 0 where the slot is
    /// free, 1 while it is being filled.
    struct Slot {
        start: AtomicUsize,
        end: AtomicUsize,
        broken: AtomicBool,
    }

    static TABLE: [Slot; SLOTS] = [const {
        Slot { start: AtomicUsize::new(0), end: AtomicUsize::new(0), broken: AtomicBool::new(false) }
    }; SLOTS];

    /// What was done about SIGBUS before; set once, before the handler can be called.
    static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

    /// A file in the address space, of which missing parts are replaced.
    #[derive(Debug)]
    pub(crate) struct MappedFile {
        map: Mmap,
        slot: usize,
    }

    impl MappedFile {
        pub(super) fn new(file: &File, len: usize) -> Option<Self> {
            if len == 0 || !install() {
                return None;
            }
            let claim =
                |slot: &Slot| slot.start.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok();
            let slot = TABLE.iter().position(claim)?;
            // SAFETY: the bytes are only read, as numbers of which every bit pattern is valid, and
            // each is read at most a few times without relying on its being the same again, should
            // another program write to the file. Pages that are missing are replaced by the
            // handler, before which no byte is read: the slot is filled below.
            let Ok(map) = (unsafe { MmapOptions::new().len(len).map(file) }) else {
                TABLE[slot].start.store(0, Ordering::Release);
                return None;
            };
            let start = map.as_ptr() as usize;
            TABLE[slot].broken.store(false, Ordering::Relaxed);
            TABLE[slot].end.store(start + len.next_multiple_of(page_size()), Ordering::Relaxed);
            TABLE[slot].start.store(start, Ordering::Release);
            Some(Self { map, slot })
        }

        pub(super) fn is_intact(&self) -> bool {
            !TABLE[self.slot].broken.load(Ordering::Acquire)
        }
    }

    impl Deref for MappedFile {
        type Target = [u8];

        fn deref(&self) -> &[u8] {
            &self.map
        }
    }

    impl Drop for MappedFile {
        fn drop(&mut self) {
            // Before the addresses can belong to another file.
            TABLE[self.slot].start.store(0, Ordering::Release);
        }
    }

    fn page_size() -> usize {
        // SAFETY: no arguments that could be wrong; allowed in a handler.
        usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
    }

    /// Installs the handler, once; false where the system refuses.
    fn install() -> bool {
        static DONE: OnceLock<bool> = OnceLock::new();
        *DONE.get_or_init(|| {
            // SAFETY: `sigaction` structures may be all zeros, and both live through the calls. The
            // one that is asked for is stored before the handler, which reads it, is installed.
            unsafe {
                let mut before: libc::sigaction = std::mem::zeroed();
                if libc::sigaction(libc::SIGBUS, std::ptr::null(), &mut before) != 0 {
                    return false;
                }
                BEFORE.get_or_init(|| before);
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handle as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigemptyset(&mut action.sa_mask);
                libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) == 0
            }
        })
    }

    /// Called by the system in the thread that reads a page that is not there. It calls nothing
    /// that takes a lock or allocates through the allocator.
    extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        // SAFETY: the system passes a valid `info`; the location of errno is valid in every thread.
        let (address, errno) = unsafe { ((*info).si_addr() as usize, *libc::__errno_location()) };
        if !replace(address) {
            pass_on(signal, info, context);
        }
        // SAFETY: as above. What was interrupted may be about to look at it.
        unsafe { *libc::__errno_location() = errno };
    }

    /// Puts 0xff in the place of missing pages; false where the address belongs to no mapped file.
    fn replace(address: usize) -> bool {
        let found = TABLE.iter().find(|slot| {
            let start = slot.start.load(Ordering::Acquire);
            start > 1 && address >= start && address < slot.end.load(Ordering::Relaxed)
        });
        let Some(slot) = found else { return false };
        let page = address - address % page_size();
        let len = PATCH.min(slot.end.load(Ordering::Relaxed) - page);
        slot.broken.store(true, Ordering::Release);
        // SAFETY: new pages are made, filled, and moved in one step to where the missing ones were,
        // within the file's mapping, which lives: the interrupted thread is reading it. Afterwards
        // they belong to that mapping and are released with it.
        unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let patch = libc::mmap(std::ptr::null_mut(), len, access, flags, -1, 0);
            if patch == libc::MAP_FAILED {
                return false;
            }
            std::ptr::write_bytes(patch.cast::<u8>(), 0xff, len);
            let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
            libc::mremap(patch, len, len, flags, page as *mut c_void) != libc::MAP_FAILED
        }
    }

    /// Does what would have been done without this handler.
    fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        let Some(before) = BEFORE.get() else { return };
        // SAFETY: what `sigaction` gave as handler is one of the two constants or a function of the
        // form that its flags tell. Where it is none, it is put back, and the instruction that
        // failed, tried again, ends the process as usual.
        unsafe {
            match before.sa_sigaction {
                libc::SIG_DFL | libc::SIG_IGN => {
                    libc::sigaction(signal, before, std::ptr::null_mut());
                }
                function if before.sa_flags & libc::SA_SIGINFO != 0 => {
                    let function: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                        std::mem::transmute(function);
                    function(signal, info, context);
                }
                function => {
                    let function: extern "C" fn(c_int) = std::mem::transmute(function);
                    function(signal);
                }
            }
        }
    }
}
