use super::*;
use crate::routings::footprint::Footprint;
use crate::routings::row::Throughput;
use crate::routings::variant::SAFE_ROUTINGS;
use crate::routings::{cells, variants};

/// A table with plausible figures; `direct` has the highest.
pub(crate) fn table() -> RoutingTable {
    let mut rows: Vec<Figures> = variants(&SAFE_ROUTINGS)
        .into_iter()
        .map(|variant| RoutingRow::new(variant).figures())
        .collect();
    for (index, row) in rows.iter_mut().enumerate() {
        for (cell, throughput) in row.throughput.iter_mut().enumerate() {
            let rate = (350 - 40 * cell - 5 * index) as f64;
            *throughput = Throughput {
                cell: throughput.cell.clone(),
                million_operations_per_second: rate,
                million_operations_per_second_min: rate - 8.0,
                million_operations_per_second_max: rate + 8.0,
            };
        }
        row.instructions_64 = Some(44.1);
        row.instructions_1024 = Some(44.6 + index as f64);
    }
    RoutingTable {
        check: "sample",
        rounds: 3,
        core_gigahertz: Some(2.5),
        rows,
        registry_lookup: vec![LookupCost {
            row: "registry, boxed".into(),
            nanoseconds: 4.0,
            cycles: Some(10.0),
        }],
    }
}

#[test]
fn the_text_reads_so() {
    let mut table = table();
    table.rows.truncate(2);
    table.rows[0].c7_frees_fast_share = Some(0.98765);
    let footprint = Footprint { stride_bytes: 1040, slab_bytes: 1041.25, resident_bytes: 1044.0 };
    table.rows[1].stride_bytes_1024 = Some(footprint.stride_bytes);
    table.rows[1].slab_bytes_1024 = Some(footprint.slab_bytes);
    table.rows[1].resident_bytes_1024 = Some(footprint.resident_bytes);
    table.rows[1].anomalies = 3;
    assert_eq!(
        table.to_string(),
        "\
M ops/s, median of 3 rounds; an op is one malloc or one free; check sample
                      fixed    fixed    fixed    fixed    fixed    mixed    mixed    mixed
                       64 B    128 B    256 B    512 B   1024 B   ws 128   ws 512  ws 8192
direct                350.0    310.0    270.0    230.0    190.0    150.0    110.0     70.0
registry, boxed       345.0    305.0    265.0    225.0    185.0    145.0    105.0     65.0

                     instr.   instr.  1024 B:     slab  resident   C7 frees                check
                       64 B   1024 B   stride    bytes     bytes       fast  anomalies  findings
direct                 44.1     44.6        –        –         –    98.77 %          0         0
registry, boxed        44.1     45.6     1040   1041.2    1044.0          –          3         0

registry lookup (registry, boxed less direct, a pair of 64 B): 4.00 ns = 10.0 cycles of 2.50 GHz
"
    );
}

#[test]
fn a_missing_valgrind_is_said() {
    let mut table = table();
    table.rows[0].instructions_64 = None;
    assert!(table.to_string().contains("valgrind is not installed"));
}

#[test]
fn the_lookup_is_the_difference_of_a_pair() {
    let mut rows: Vec<RoutingRow> =
        variants(&SAFE_ROUTINGS[..2]).into_iter().map(RoutingRow::new).collect();
    // 200 M ops/s are 10 ns per pair, 100 M are 20 ns.
    for (row, rates) in rows.iter_mut().zip([[200.0, 200.0], [100.0, 100.0], [200.0, 200.0]]) {
        rates.iter().for_each(|&rate| row.record_rate(cells().next().expect("a cell"), rate));
    }
    let clock = CoreClock { gigahertz: 3.0 };
    let costs = lookup_costs(Some(clock), &rows);
    let costs: Vec<_> = costs.iter().map(|cost| (cost.nanoseconds, cost.cycles)).collect();
    assert_eq!(costs, [(10.0, Some(30.0)), (0.0, Some(0.0))]);
    assert_eq!(lookup_costs(Some(clock), &rows[1..]), []);
}
