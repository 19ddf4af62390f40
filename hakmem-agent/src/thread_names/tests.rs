use std::path::Path;
use std::sync::mpsc;
use std::thread;

use hakmem_reader::Segment;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter};

use super::*;

/// This process, as a segment of it would describe it.
fn this_process() -> FixtureProcess {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let start = stat[stat.rfind(')').unwrap()..].split_ascii_whitespace().nth(20).unwrap();
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let boot_id = u128::from_str_radix(&boot_id.trim().replace('-', ""), 16).unwrap();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap().to_string_lossy().into_owned();
    FixtureProcess {
        pid: std::process::id(),
        start_time_ticks: start.parse().unwrap(),
        boot_id: boot_id.to_be_bytes(),
        pid_namespace: namespace["pid:[".len()..namespace.len() - 1].parse().unwrap(),
        ..FixtureProcess::new("/bin/this")
    }
}

/// The id of a thread called `name`, and the means to keep it alive.
fn named(name: &str) -> (u32, mpsc::Sender<()>, thread::JoinHandle<()>) {
    let ((tell, told), (keep, kept)) = (mpsc::channel(), mpsc::channel());
    let work = move || {
        let link = fs::read_link("/proc/thread-self").unwrap();
        let id = link.file_name().unwrap().to_str().unwrap().parse().unwrap();
        tell.send(id).unwrap();
        let _ = kept.recv();
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work).unwrap();
    (told.recv().unwrap(), keep, thread)
}

fn sample(directory: &Path, reader: &mut NameReader) -> Arc<ThreadNames> {
    let path = fs::read_dir(directory).unwrap().next().unwrap().unwrap().path();
    let mut segment = Segment::open(&path).unwrap();
    let sample = segment.sample().unwrap();
    reader.update(&Host::current(), segment.identity(), &sample.slots);
    reader.names()
}

#[test]
fn threads_have_their_present_names_and_ended_ones_their_last() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &this_process());
    let (id, keep, thread) = named("before\u{7}");
    let slot = writer.take_slot(id, "");
    let mut reader = NameReader::default();
    let get = |names: &ThreadNames, owners| names.get(slot as u32, owners).map(str::to_owned);
    let names = sample(directory.path(), &mut reader);
    assert_eq!(get(&names, 1).as_deref(), Some("before\u{fffd}"));
    assert_eq!(get(&names, 2), None, "a later owner is another thread");

    fs::write(format!("/proc/self/task/{id}/comm"), "after").unwrap();
    let looks = (0..4).map(|_| get(&sample(directory.path(), &mut reader), 1));
    let looks: Vec<_> = looks.map(Option::unwrap_or_default).collect();
    assert_eq!(looks, ["after"; 4], "it is read again after the next sample");

    drop(keep);
    thread.join().unwrap();
    writer.slot(slot).take(0, "");
    let names = sample(directory.path(), &mut reader);
    assert_eq!(get(&names, 1).as_deref(), Some("after"));
}

#[test]
fn names_of_another_namespace_or_process_are_not_taken_for_this_ones() {
    let strangers = [
        FixtureProcess { pid_namespace: 1, ..this_process() },
        FixtureProcess { start_time_ticks: 1, ..this_process() },
        FixtureProcess { boot_id: [1; 16], ..this_process() },
    ];
    let (id, _keep, _thread) = named("worker");
    for stranger in strangers {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = SegmentWriter::create(directory.path(), &stranger);
        writer.take_slot(id, "");
        let names = sample(directory.path(), &mut NameReader::default());
        assert_eq!(*names, ThreadNames::default(), "{stranger:?}");
    }
}

#[test]
fn a_name_is_read_less_and_less_often() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &this_process());
    let slot = writer.take_slot(1, "");
    let path = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let slots = Segment::open(&path).unwrap().sample().unwrap().slots;
    let mut reader = NameReader::default();
    let owned = slots.iter().find(|it| it.index == slot as u32).unwrap();
    let due: Vec<_> = (1..400).filter(|&now| reader.is_due(owned, now)).collect();
    assert_eq!(due, [1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 320, 384]);
}
