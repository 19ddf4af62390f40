//! Records of processes that never ran, for tests of everything that is derived from records.

use hakmem_reader::Segment;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use hakmem_reader::{Class, Identity, clean_text};

use super::*;

/// The sample and identity of a process with one thread and `blocks` blocks of C7.
pub(crate) fn sampled(blocks: u64) -> (Identity, Sample) {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/x"));
    let slot = writer.take_slot(42, "main");
    writer.slot(slot).allocate(bin_of(Class::C7), blocks);
    let mut segment = Segment::open(writer.path()).unwrap();
    let sample = segment.sample().unwrap();
    (segment.identity().clone(), sample)
}

/// A record of a running process.
pub(crate) fn record(identity: Identity, sample: Sample) -> ProcessRecord {
    let facts = Arc::new(Facts::new(&identity));
    ProcessRecord::new(facts.key().into(), facts, (ProcessState::Running, None), sample, 0)
}

#[test]
fn copies_of_a_key_by_another_owner_or_in_another_namespace_are_other_processes() {
    let (identity, sample) = sampled(1);
    let key = |change: &dyn Fn(&mut Identity)| {
        let mut changed = identity.clone();
        change(&mut changed);
        record(changed, sample.clone()).key
    };
    let own = key(&|_| ());
    assert_ne!(key(&|it| it.owner_user_id += 1), own);
    assert_ne!(key(&|it| it.pid_namespace += 1), own);
    // The user id in the segment's header is not part of the key.
    assert_eq!(key(&|it| it.user_id += 1), own);
    assert_eq!(segment_key(&own), identity.key());
}

#[test]
fn what_a_process_counted_stays_in_its_sum_however_it_goes() {
    let (identity, sample) = sampled(7);
    let owner = identity.owner_user_id;
    let mut fleet = FleetView::default();
    let key = Arc::clone(&fleet.put(record(identity.clone(), sample.clone())).key);
    let allocations = |fleet: &FleetView| {
        fleet.retired.counters(owner, "x").classes[Class::C7 as usize].allocations
    };
    assert_eq!(allocations(&fleet), 0, "it runs");
    // The file became unreadable while its process ran.
    fleet.forget(&key);
    assert_eq!(allocations(&fleet), 7);
    let other = Identity { nonce: identity.nonce + 1, ..identity };
    let ended = record(other.clone(), sample.clone()).with_state(ProcessState::Exited);
    fleet.put(record(other, sample));
    let key = Arc::clone(&fleet.put(ended).key);
    assert_eq!(allocations(&fleet), 14);
    fleet.forget(&key);
    assert_eq!(allocations(&fleet), 14);
}

/// Debian's `redis-server` is a link to `redis-check-rdb`.
#[test]
fn a_process_is_summed_under_the_name_that_people_know() {
    let (mut identity, sample) = sampled(1);
    identity.executable = clean_text("/usr/bin/redis-check-rdb");
    identity.command_name = clean_text("redis-server");
    let mut fleet = FleetView::new(8, 8);
    assert_eq!(&*fleet.put(record(identity, sample)).group, "redis-server");
}
