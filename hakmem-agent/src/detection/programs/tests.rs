use std::sync::Arc;

use hakmem_reader::Class;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};

use super::*;
use crate::config::AgentConfig;
use crate::history::History;
use crate::sampler::Sampler;
use crate::state::interest::Interests;
use crate::state::tests::{record, sampled};

fn follows(programs: &Programs, executable: &str) -> bool {
    programs.programs.keys().any(|key| key.what.executable == executable)
}

#[tokio::test]
async fn of_many_programs_the_busiest_are_followed() {
    let directory = tempfile::tempdir().unwrap();
    let mut writers: Vec<SegmentWriter> = (10..80)
        .map(|number| {
            let facts = FixtureProcess::new(&format!("/bin/{number}"));
            let mut writer = SegmentWriter::create_unready(directory.path(), &facts);
            writer.take_slot(1, "main");
            writer.make_ready();
            writer
        })
        .collect();
    let mut config = AgentConfig::for_directory(directory.path());
    config.idle_interval = config.watched_interval;
    let history = Arc::new(History::new(config.history));
    let sampler = Sampler::start(
        &config,
        Arc::new(Interests::default()),
        history,
        Arc::default(),
        &Arc::default(),
    )
    .unwrap();
    let mut view = sampler.view();
    let all = view.wait_for(|view| view.processes.len() == 70).await.unwrap().clone();

    let mut programs = Programs::new(Rules::new(&DetectionConfig::default(), 1.0));
    assert!(programs.observe(&all).is_empty());
    assert_eq!(programs.programs.len(), PROGRAMS_MAX);
    assert!(follows(&programs, "/bin/10") && !follows(&programs, "/bin/79"));

    writers[69].slot(0).allocate(bin_of(Class::C7), 100);
    let is_busy = |view: &Arc<FleetView>| {
        view.processes.values().any(|record| record.totals().allocations == 100)
    };
    let busy = view.wait_for(is_busy).await.unwrap().clone();
    programs.observe(&busy);
    assert_eq!(programs.programs.len(), PROGRAMS_MAX);
    assert!(follows(&programs, "/bin/79"));

    // Only the newest of the ended builds are remembered, and only for a while.
    let now = programs.programs.values().map(Program::newest).fold(0.0, f64::max);
    programs.observe(&FleetView::default());
    assert!(programs.evaluate(now).is_empty());
    assert_eq!(programs.programs.len(), ENDED_MAX);
    programs.evaluate(now + REMEMBERED + 1.0);
    assert!(programs.programs.is_empty());
    sampler.stop();
}

#[test]
fn a_process_that_sets_a_label_is_of_another_program_from_then_on() {
    let (mut identity, sample) = sampled(1);
    let mut view = FleetView::default();
    let mut programs = Programs::new(Rules::new(&DetectionConfig::default(), 1.0));
    let mut running = |identity: &hakmem_reader::Identity| {
        view.put(record(identity.clone(), sample.clone()));
        programs.observe(&view);
        let running = programs.programs.iter().filter(|(_, program)| program.is_running());
        let labels = running.map(|(key, _)| key.what.labels.clone()).collect::<Vec<_>>();
        (labels, programs.programs.len())
    };
    assert_eq!(running(&identity), (vec![vec![]], 1));
    let label = ["service", "api"].map(hakmem_reader::clean_text);
    identity.labels = [label.into()].into();
    let labels = vec![("service".to_owned(), "api".to_owned())];
    assert_eq!(running(&identity), (vec![labels.clone()], 2));
    assert_eq!(running(&identity), (vec![labels], 2));
}
