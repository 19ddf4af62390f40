//! `export`: writes a recording as JSON lines or CSV.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use hakmem_recording::{Recording, Window};

use super::cli::{ExportFormat, ExportOptions, PartOptions};
use super::part::{selects, warn_of_damage, window};
use super::{CommandError, begin_file};
use crate::tell::table::Columns;
use crate::tell::{json_lines, table};

/// Writes the selected part of the recording.
pub(super) fn export(options: &ExportOptions) -> Result<u8, CommandError> {
    let recording = Recording::open(&options.file)?;
    let window = window(&options.part, &recording)?;
    warn_of_damage(&options.file, &recording);
    let path = options.output.clone().unwrap_or_else(|| PathBuf::from("standard output"));
    let write = |out: &mut dyn Write| match options.format {
        ExportFormat::Json => write_json(out, &recording, window, &options.part),
        ExportFormat::Csv => write_csv(out, &recording, window, &options.part),
    };
    let written = match &options.output {
        Some(output) => {
            let replacement = begin_file(output, options.force)?;
            let mut out = BufWriter::new(replacement.file());
            let written = write(&mut out).and_then(|()| out.flush());
            drop(out);
            written.and_then(|()| replacement.commit())
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out).and_then(|()| out.flush())
        }
    };
    match written {
        // A closed pipe (`| head`) is not an error.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::Write { path, error })
        }
        _ => Ok(0),
    }
}

fn write_json(
    out: &mut dyn Write,
    recording: &Recording,
    window: Window,
    part: &PartOptions,
) -> io::Result<()> {
    let selection = |identity: &_| selects(part, identity);
    out.write_all(json_lines::recording(recording).as_bytes())?;
    let mut result = Ok(());
    recording.for_each_sample(window, selection, |sample| {
        if result.is_ok() {
            result = out.write_all(json_lines::sample(&sample).as_bytes());
        }
    });
    recording.for_each_event(window, selection, |event| {
        if result.is_ok() {
            result = out.write_all(json_lines::event(event).as_bytes());
        }
    });
    result
}

fn write_csv(
    out: &mut dyn Write,
    recording: &Recording,
    window: Window,
    part: &PartOptions,
) -> io::Result<()> {
    let selection = |identity: &_| selects(part, identity);
    // The columns depend on the reasons and outcomes that occur.
    let mut columns = Columns::default();
    recording.for_each_sample(window, selection, |sample| columns.see(sample.process));
    out.write_all(columns.header().as_bytes())?;
    let mut result = Ok(());
    recording.for_each_sample(window, selection, |sample| {
        if result.is_ok() {
            result = out.write_all(table::rows(&columns, &sample).as_bytes());
        }
    });
    result
}
