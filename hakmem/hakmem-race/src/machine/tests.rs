use super::*;

#[test]
fn a_processor_is_named_with_all_that_tells_it_apart() {
    let x86 = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\n\
               model name\t: Intel(R) Xeon(R)  Platinum 8488C\nstepping\t: 8\n\
               flags\t\t: fpu avx avx2 avx512f amx_tile\n\nprocessor\t: 1\nmodel\t: 1\n";
    assert_eq!(
        processor(x86),
        "Intel(R) Xeon(R) Platinum 8488C (family 6, model 143, stepping 8, avx avx2 avx512f \
         amx_tile)"
    );
    let arm = "processor\t: 0\nFeatures\t: fp asimd sve\nCPU implementer\t: 0x41\n\
               CPU variant\t: 0x1\nCPU part\t: 0xd40\nCPU revision\t: 1\n";
    assert_eq!(processor(arm), "ARM implementer 0x41 part 0xd40 (variant 0x1, revision 1, sve)");
    assert_eq!(processor(""), "unknown processor");
}

#[test]
fn caches_are_named_from_the_nearest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (index, [level, kind, size]) in
        [["1", "Data", "48K"], ["1", "Instruction", "32K"], ["2", "Unified", "2048K"]]
            .into_iter()
            .enumerate()
    {
        let place = folder.path().join(format!("index{index}"));
        fs::create_dir(&place).expect("the folder can be written to");
        for (name, text) in [("level", level), ("type", kind), ("size", size)] {
            fs::write(place.join(name), format!("{text}\n")).expect("it can be written to");
        }
    }
    assert_eq!(caches(folder.path()), ["L1d 48 KiB", "L1i 32 KiB", "L2 2 MiB"]);
    assert!(caches(Path::new("/nonexistent")).is_empty());
}

#[test]
fn this_machine_and_its_load_are_told_in_one_line() {
    let circumstances = Circumstances::begin().end();
    assert!(circumstances.machine.cores > 0);
    assert_eq!(circumstances.day.len(), "2026-11-30".len());
    let words: Vec<&str> = circumstances.load_after.0.split(' ').collect();
    assert_eq!(words.len(), 3, "{words:?}");
    assert!(words.iter().all(|word| word.parse::<f64>().is_ok()), "{words:?}");
    let text = circumstances.to_string();
    assert!(text.contains("; Linux ") && !text.contains('\n'), "{text}");
}
