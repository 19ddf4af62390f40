//! Other doors to the allocator: other names, reports, and libraries with surroundings of their
//! own.

use std::path::Path;

use hakmem_reader::{Class, ProcessState};

use crate::compiled;
use crate::loaded::Loaded;

#[test]
fn what_one_name_allocates_another_one_frees() {
    let record = Loaded::new("aliases.c").run_well().record();
    record.assert_sound();
    assert_eq!(record.class(Class::None).frees, 0, "nothing was taken for foreign");
}

/// Fails unless every element is closed in its order and every attribute is quoted.
fn assert_well_formed(document: &str) {
    let mut open = Vec::new();
    for part in document.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag ends");
        assert_eq!(text.trim(), "", "no text between elements");
        assert_eq!(tag.matches('"').count(), 2 * tag.matches('=').count(), "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{document}");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().expect("a name"));
        }
    }
    assert!(open.is_empty(), "{open:?} stay open in {document}");
}

#[test]
fn reports_say_what_the_program_holds() {
    for (routing, check) in
        [("direct", "sample"), ("direct", "full"), ("uniform", "sample"), ("hybrid", "sample")]
    {
        let loaded = Loaded::new("reports.c").env("HAKMEM_ROUTING", routing);
        let finished = loaded.env("HAKMEM_CHECK", check).run_well();
        let document = &finished.stdout;
        assert_well_formed(document);
        assert!(document.starts_with("<malloc version=\"1\">"), "{document}");
        assert!(document.contains("<system type=\"current\" size=\""), "{document}");
        finished.record().assert_sound();
    }
}

#[test]
fn a_plugin_with_a_cxx_library_of_its_own_gets_its_exceptions() {
    let shared = compiled::plugin("cxx_plugin.cc");
    let options = ["-static-libstdc++", "-static-libgcc"];
    let contained = compiled::plugin_with("cxx_plugin.cc", "-static", &options);
    // Symbols that no other library sees: many libraries are linked like that.
    let options = [&options[..], &["-Wl,--exclude-libs,ALL"]].concat();
    let hidden = compiled::plugin_with("cxx_plugin.cc", "-hidden", &options);
    for plugins in [vec![&shared], vec![&contained], vec![&hidden], vec![&contained, &shared]] {
        let loaded = Loaded::new("plugged.c").arg("plugin_work");
        let finished = plugins.iter().fold(loaded, Loaded::arg).run_well();
        finished.record().assert_sound();
    }
}

#[test]
fn a_cxx_library_behind_a_plugin_gets_its_exceptions() {
    for (kind, options) in [("-behind", &[][..]), ("-behind-static", &["-static-libstdc++"])] {
        let library = compiled::plugin_with("cxx_plugin.cc", kind, options);
        let library = library.to_str().expect("a path of this project");
        let plugin = compiled::plugin_with("cxx_plugin_behind.c", kind, &[library]);
        let finished = Loaded::new("plugged.c").arg("plugin_work_behind").arg(plugin).run_well();
        finished.record().assert_sound();
    }
}

#[test]
fn a_library_with_an_allocator_of_its_own_can_be_closed_at_any_time() {
    // Beside the C library's allocator, and beside this one.
    for preload in ["".into(), hakmem_built::preload_library_of_tests()] {
        let loaded = Loaded::new("closing.c").arg(compiled::rust_plugin());
        let finished = loaded.env("LD_PRELOAD", &preload).run_well();
        let records = finished.records();
        let allocators = if preload == Path::new("") { 1 } else { 2 };
        assert_eq!(records.len(), 3 * allocators, "of the program and its two children");
        for record in records {
            record.assert_sound();
            assert_eq!(record.state, ProcessState::Exited);
        }
    }
}

/// A plugin that finds itself by name in its own folder, where its program does not look.
fn deep_plugin() -> std::path::PathBuf {
    compiled::plugin_with("deep_plugin.c", "", &["-Wl,-rpath,$ORIGIN"])
}

#[test]
fn a_library_that_looks_in_its_own_surroundings_first_has_the_same_allocator() {
    let record = Loaded::new("deep.c").arg(deep_plugin()).arg("base").run_well().record();
    record.assert_sound();
    assert_eq!(record.class(Class::None).frees, 0, "nothing was taken for foreign");
}

#[test]
fn memory_from_another_namespace_is_foreign_and_the_line_says_why() {
    let finished = Loaded::new("deep.c").arg(deep_plugin()).arg("space").run();
    finished.assert_one_line(0, "the program has called dlmopen");
    let record = finished.record();
    assert_eq!(record.class(Class::None).frees, 1);
    assert_eq!(record.sample.process.namespaces_total, 1, "show says so as well");
}

#[test]
fn a_program_that_sets_a_malloc_hook_is_told_once_that_nobody_calls_it() {
    let finished =
        Loaded::of(&compiled::program_with("hooks.c", "", &["-no-pie", "-fno-pie"])).run();
    finished.assert_one_line(0, "the program uses __malloc_hook, which neither hakmem");
    finished.record().assert_sound();
}
