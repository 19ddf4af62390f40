use std::collections::BTreeMap;

use hakmem_proto::FILE_DESCRIPTOR_SET;
use hakmem_proto::v1::{WatchEventsResponse, WatchProcessesResponse};
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use super::*;

/// Field numbers up to this are compared; the contract's are lower.
const NUMBERS_MAX: u32 = 256;

/// The messages in an entry with the sizes of their Rust types. Those that are absent here
/// (timestamps, and the end of a recording) weigh what a field weighs by default.
fn sizes() -> BTreeMap<&'static str, (usize, Kind)> {
    BTreeMap::from([
        ("RecordingStart", (0, Kind::Start)),
        ("Machine", (size_of::<Machine>(), Kind::Machine)),
        ("WatchProcessesResponse", (0, Kind::Update)),
        ("WatchEventsResponse", (0, Kind::Events)),
        ("AgentStatus", (size_of::<AgentStatus>(), Kind::Leaf)),
        ("Event", (size_of::<Event>(), Kind::Leaf)),
        ("Process", (size_of::<Process>(), Kind::Process)),
        ("Identity", (size_of::<Identity>(), Kind::Identity)),
        ("Bin", (size_of::<Bin>(), Kind::Leaf)),
        ("Totals", (size_of::<Totals>(), Kind::Leaf)),
        ("Memory", (size_of::<Memory>(), Kind::Leaf)),
        ("Loss", (size_of::<Loss>(), Kind::Leaf)),
        ("ClassCounters", (size_of::<ClassCounters>(), Kind::Class)),
        ("ReasonCount", (size_of::<ReasonCount>(), Kind::Leaf)),
        ("OutcomeCount", (size_of::<OutcomeCount>(), Kind::Leaf)),
        ("DurationHistogram", (size_of::<DurationHistogram>(), Kind::Durations)),
        ("DurationBucket", (size_of::<DurationBucket>(), Kind::Leaf)),
        ("BinCounters", (size_of::<BinCounters>(), Kind::Bins)),
        ("Thread", (size_of::<Thread>(), Kind::Thread)),
        ("ListDepth", (size_of::<ListDepth>(), Kind::Leaf)),
    ])
}

fn contract() -> BTreeMap<String, DescriptorProto> {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
    let ours = files.into_iter().filter(|file| file.package() == "hakmem.v1");
    ours.flat_map(|file| file.message_type).map(|it| (it.name().to_owned(), it)).collect()
}

/// The name of the contract's message that a field has, if it has one.
fn message(field: &FieldDescriptorProto) -> Option<&str> {
    field.type_name().strip_prefix(".hakmem.v1.")
}

fn is_packed(field: &FieldDescriptorProto) -> bool {
    let has_length = matches!(field.r#type(), Type::String | Type::Bytes | Type::Message);
    field.label() == Label::Repeated && !has_length
}

/// The weight that the contract gives to a field.
fn expected(field: &FieldDescriptorProto) -> Option<(usize, Kind)> {
    if is_packed(field) {
        return Some((0, Kind::Numbers));
    }
    let &(size, kind) = sizes().get(message(field)?)?;
    let is_list = field.label() == Label::Repeated;
    Some((if is_list { size * GROWTH } else { size }, kind))
}

#[test]
fn the_weight_of_every_field_follows_from_the_contract() {
    let (contract, sizes) = (contract(), sizes());
    let default = child(Kind::Leaf, NUMBERS_MAX);
    let mut open = vec![("RecordingEntry", Kind::Entry)];
    let mut compared = BTreeMap::new();
    while let Some((name, kind)) = open.pop() {
        let fields = &contract[name].field;
        for number in 1..NUMBERS_MAX {
            let field = fields.iter().find(|field| field.number() as u32 == number);
            let by_contract = field.and_then(expected);
            assert_eq!(child(kind, number), by_contract.unwrap_or(default), "{name} {number}");
        }
        compared.insert(name, kind);
        for field in fields {
            let inner = message(field).and_then(|name| sizes.get_key_value(name));
            open.extend(inner.map(|(name, (_, kind))| (*name, *kind)));
        }
    }
    // Each message that has a size was found in an entry.
    assert!(sizes.keys().all(|name| compared.contains_key(name)), "{compared:?}");
}

#[test]
fn the_content_of_a_leaf_is_never_larger_than_its_encoding() {
    let contract = contract();
    for (name, _) in sizes().into_iter().filter(|(_, (_, kind))| *kind == Kind::Leaf) {
        for field in &contract[name].field {
            let is_weighed = is_packed(field) || field.label() == Label::Repeated;
            assert!(!is_weighed && message(field).is_none(), "{name}.{}", field.name());
        }
    }
}

#[test]
fn a_message_that_the_contract_adds_to_an_entry_is_given_a_size() {
    let contract = contract();
    for name in sizes().keys().copied().chain(["RecordingEntry"]) {
        let inner = contract[name].field.iter().filter(|field| field.r#type() == Type::Message);
        for field in inner {
            let is_map = contract[name].nested_type.iter().any(|nested| {
                field.type_name().ends_with(nested.name())
                    && nested.options.as_ref().is_some_and(|options| options.map_entry())
            });
            let is_small = is_map
                || field.type_name() == ".google.protobuf.Timestamp"
                || message(field) == Some("RecordingEnd");
            let has_size = message(field).is_some_and(|it| sizes().contains_key(it));
            assert!(is_small || has_size, "{name}.{} has no weight", field.name());
        }
    }
}

/// Messages of an entry's own fields lie in the entry, whose size is counted once.
#[test]
fn an_entry_contains_its_content() {
    assert!(size_of::<RecordingEntry>() >= size_of::<WatchProcessesResponse>());
    assert!(size_of::<RecordingEntry>() >= size_of::<WatchEventsResponse>());
}

/// A message's field of bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, content.len() as u8], content].concat()
}

#[test]
fn an_entry_weighs_what_its_messages_and_strings_take_in_memory() {
    let list = |size: usize| size * GROWTH + OVERHEAD;
    let entry = size_of::<RecordingEntry>() * GROWTH;
    assert_eq!(of_entry(&[]), Some(entry));
    // An update with two processes, of which one has a key.
    let key = field(1, b"1-2-3");
    let processes = [field(3, &key), field(3, b"")].concat();
    let update = field(2, &processes);
    let messages = OVERHEAD + 2 * list(size_of::<Process>()) + list(2 * size_of::<String>());
    let content = processes.len() + key.len() + b"1-2-3".len();
    assert_eq!(of_entry(&update), Some(entry + messages + content));
    // Numbers of one byte each become numbers of eight.
    let numbers = field(4, &[1; 20]);
    let bins = weigh(&numbers, Kind::Bins).unwrap();
    assert_eq!(bins, OVERHEAD + 20 + 20 * size_of::<u64>() * GROWTH);
}

#[test]
fn fields_that_the_contract_does_not_have_are_skipped_by_their_lengths() {
    let number = [0x08, 0x96, 0x01];
    let eight = [0x09, 1, 2, 3, 4, 5, 6, 7, 8];
    let four = [0x0d, 1, 2, 3, 4];
    let key = field(1, b"k");
    let alone = weigh(&key, Kind::Process);
    let among = [&number[..], &eight, &four, &key, &eight].concat();
    assert_eq!(weigh(&among, Kind::Process), alone);
    for cut in [&eight[..8], &four[..4], &number[..2], &key[..2], &[0x0b]] {
        assert_eq!(weigh(cut, Kind::Process), None, "{cut:?}");
    }
}

#[test]
fn numbers_weigh_no_less_one_by_one_than_packed() {
    let nested = |fields: &[u32], content: Vec<u8>| {
        fields.iter().fold(content, |content, field| {
            let mut message = Vec::new();
            prost::encoding::bytes::encode(*field, &content, &mut message);
            message
        })
    };
    // Field 4 of the counters of a bin, of a class, of a process, of an update, of an entry.
    let way = [16, 7, 3, 2];
    let numbers = [1u64; 1000];
    let mut packed = Vec::new();
    prost::encoding::uint64::encode_packed(4, &numbers, &mut packed);
    let mut single = Vec::new();
    prost::encoding::uint64::encode_repeated(4, &numbers, &mut single);
    let counts = |bytes: &[u8]| BinCounters::decode(bytes).unwrap();
    assert_eq!(counts(&packed), counts(&single));
    let weight = |content| of_entry(&nested(&way, content)).unwrap();
    assert!(weight(single) >= weight(packed) && weight(Vec::new()) < 8000);
}
