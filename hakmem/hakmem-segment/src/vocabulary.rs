//! The words that the segment, the protocol, metrics, screens and documents share.

/// Declares a closed set of words with stable numbers and names.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$vmeta:meta])* $variant:ident = $number:literal, $word:literal;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $number,)* }

        impl $name {
            /// Every value, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word used in JSON, metrics, protocol and on screen.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The value with this number, or `None` if this version knows none.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// The value with this word, or `None`.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use vocabulary;

vocabulary! {
    /// The groups of bins by which telemetry counts.
    Class {
        /// Requests of up to 8 bytes.
        C0 = 0, "C0";
        /// 9 to 16 bytes.
        C1 = 1, "C1";
        /// 17 to 32 bytes.
        C2 = 2, "C2";
        /// 33 to 64 bytes.
        C3 = 3, "C3";
        /// 65 to 128 bytes.
        C4 = 4, "C4";
        /// 129 to 256 bytes.
        C5 = 5, "C5";
        /// 257 to 512 bytes.
        C6 = 6, "C6";
        /// 513 to 1024 bytes.
        C7 = 7, "C7";
        /// Above 1 KiB, from slabs and thread lists.
        Mid = 8, "mid";
        /// Page-aligned spans of their own.
        Large = 9, "large";
        /// No class: pointers that are not the allocator's.
        None = 10, "none";
    }
}

vocabulary! {
    /// Why an allocation left the fast path.
    AllocReason {
        /// The list was empty and took a batch from the central store.
        RefillCentral = 0, "refill_central";
        /// The list was empty and took free blocks of a slab in use.
        RefillSlab = 1, "refill_slab";
        /// The list was empty and a slab was taken into use for it.
        NewSlab = 2, "new_slab";
        /// The request needed a span of its own.
        LargeMap = 3, "large_map";
        /// The request was aligned more strictly than any bin.
        Aligned = 4, "aligned";
        /// It was the thread's first allocation.
        FirstUse = 5, "first_use";
        /// The request failed; not part of the number of allocations.
        OutOfMemory = 6, "out_of_memory";
        /// The list was empty and took the thread's own spare list.
        RefillSpare = 7, "refill_spare";
    }
}

vocabulary! {
    /// Why a free left the fast path.
    FreeReason {
        /// The list and the spare were full: a batch went to the central store.
        FlushFull = 0, "flush_full";
        /// The block was a span of its own.
        LargeUnmap = 1, "large_unmap";
        /// The routing sends this class to the slow path.
        Routed = 2, "routed";
        /// The free was chosen for checking.
        Check = 3, "check";
        /// The free came after the thread exit had given back the thread's lists.
        Late = 4, "late";
        /// Not freed: the pointer is not a live block of the allocator's. Also counts one for each
        /// free that was found wrong after its call, which had counted as the kind of free that it
        /// seemed to be.
        Rejected = 5, "rejected";
        /// The list was full and became the thread's spare list.
        FlushSpare = 6, "flush_spare";
    }
}

vocabulary! {
    /// How a freed pointer was classified.
    Outcome {
        /// The caller passed the size, which was believed: Rust's `Layout`.
        Sized = 0, "sized";
        /// By the class map.
        Map = 1, "map";
        /// By a valid header.
        Header = 2, "header";
        /// By the registry, because C7 has no header.
        Headerless = 3, "headerless";
        /// A block of class `mid`.
        Mid = 4, "mid";
        /// A large span.
        Large = 5, "large";
        /// A pointer that is not the allocator's.
        Foreign = 6, "foreign";
        /// Anomaly: a byte looked like a header but was not one.
        HeaderFalsePositive = 7, "header_false_positive";
        /// Anomaly: a header should be there but is not.
        HeaderMissing = 8, "header_missing";
        /// Anomaly: the pointer lies inside a block, not at its start.
        Interior = 9, "interior";
        /// Anomaly: the block is free already.
        DoubleFree = 10, "double_free";
        /// Anomaly: the caller passed the size of another class.
        SizeMismatch = 11, "size_mismatch";
    }
}

impl Outcome {
    /// Whether the outcome can only come from a bug, in the program or in the routing.
    pub const fn is_anomaly(self) -> bool {
        self as u8 >= Self::HeaderFalsePositive as u8
    }
}

vocabulary! {
    /// How `free` finds a block's class.
    Routing {
        /// No headers; the class map answers with one load.
        Direct = 0, "direct";
        /// Registry first, then the header.
        Registry = 1, "registry";
        /// Header first; without one, and for C7, the registry.
        Exclude = 2, "exclude";
        /// A header on every class.
        Uniform = 3, "uniform";
        /// Header first, the registry only where it is ambiguous.
        Hybrid = 4, "hybrid";
        /// The bug of phase E3-1, kept to be shown.
        E3 = 5, "e3";
    }
}

vocabulary! {
    /// Which frees are compared with what the allocator knows from other sources.
    Check {
        /// None; findings of the slow paths are still reported.
        Off = 0, "off";
        /// One in [`CHECK_PERIOD`](crate::word::CHECK_PERIOD) fast frees of each list.
        Sample = 1, "sample";
        /// Every free.
        Full = 2, "full";
    }
}

vocabulary! {
    /// How a block gets onto a thread's list.
    Push {
        /// Only the capacity is checked.
        Direct = 0, "direct";
        /// C7 is rejected where it has no header, and so is the block that was pushed last.
        Boxed = 1, "boxed";
    }
}

vocabulary! {
    /// The state of a process, as readers derive it. No segment holds it: a process that crashes
    /// does not write that.
    ProcessState {
        /// It runs.
        Running = 0, "running";
        /// It ended normally.
        Exited = 1, "exited";
        /// A signal that was sent to it ended it.
        Killed = 2, "killed";
        /// It ended by a fault of its own: SIGSEGV, SIGABRT and the like.
        Crashed = 3, "crashed";
        /// It replaced itself with another program, by `exec`.
        Replaced = 4, "replaced";
        /// It ended, and it is not known how.
        Ended = 5, "ended";
    }
}

impl ProcessState {
    /// Whether the process has ended, or at least has ended as this program.
    pub const fn is_ended(self) -> bool {
        !matches!(self, Self::Running)
    }

    /// Whether the process did not end of its own accord, as far as is known.
    pub const fn is_abnormal_end(self) -> bool {
        matches!(self, Self::Killed | Self::Crashed | Self::Ended)
    }
}

vocabulary! {
    /// Whether the process publishes its telemetry. A setting; no segment holds it.
    Telemetry {
        /// It makes a segment that other programs can read.
        On = 0, "on";
        /// It counts for itself alone.
        Off = 1, "off";
    }
}

vocabulary! {
    /// The reaction to a wrong free. A setting; no segment holds it.
    OnError {
        /// Count it, print it, and continue.
        Report = 0, "report";
        /// Count it, print it, and abort.
        Abort = 1, "abort";
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome::*;
    use super::*;

    #[test]
    fn anomalies_are_the_outcomes_that_only_a_bug_causes() {
        let anomalies =
            [HeaderFalsePositive, HeaderMissing, Interior, DoubleFree, SizeMismatch].as_slice();
        for outcome in Outcome::ALL {
            assert_eq!(outcome.is_anomaly(), anomalies.contains(outcome), "{outcome:?}");
        }
    }

    #[test]
    fn a_number_and_a_word_have_one_value() {
        for &outcome in Outcome::ALL {
            assert_eq!(Outcome::from_number(outcome as u8), Some(outcome));
            assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
        }
        assert_eq!(Outcome::from_number(Outcome::ALL.len() as u8), None);
        assert_eq!(Outcome::from_name("Map"), None);
    }
}
