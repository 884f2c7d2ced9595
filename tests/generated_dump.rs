//! Imports of a generated dump: of a sound one nothing is told but what is reserved, and of one with faults each fault and nothing else.
//!
//! `CIRRUS_DUMP_OBJECTS=100000` makes it as large as that, and `CIRRUS_DUMP_DIRECTORY` is where dumps stay for a look at them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

use flate2::{Compression, write::GzEncoder};
use tokio::task::block_in_place;

use crate::export::done;
use crate::support::{
    cirrus_program, fresh_directory,
    generated::{self, Dump, Form},
};

const SEED: u64 = 20_260_712;
/// As many as the tests of a change have the time for.
const OBJECTS: usize = 4_000;

pub async fn each_planted_fault_is_told() {
    let objects = std::env::var("CIRRUS_DUMP_OBJECTS").map_or(OBJECTS, |text| text.parse().unwrap());
    let temporary = fresh_directory();
    let directory = std::env::var("CIRRUS_DUMP_DIRECTORY").map_or(temporary.path().to_owned(), PathBuf::from);
    block_in_place(|| {
        sound(&directory, objects);
        with_faults(&directory, objects);
    });
}

/// Packed if its name says so.
fn write(dump: &Dump, form: Form, file: &Path) {
    let mut output = BufWriter::new(File::create(file).unwrap());
    if file.extension().is_some_and(|ending| ending == "gz") {
        let mut packed = GzEncoder::new(output, Compression::fast());
        dump.write(form, &mut packed).unwrap();
        packed.finish().unwrap().flush().unwrap();
    } else {
        dump.write(form, &mut output).unwrap();
        output.flush().unwrap();
    }
}

fn try_import(file: &Path) -> Output {
    let mut command = cirrus_program();
    command.args(["import", "--dry-run"]).arg(file).output().unwrap()
}

/// The lines about findings, each with its kind.
fn findings(told: &str) -> Vec<(&str, &str)> {
    let kind = |line: &'_ str| line.split_once(": ").map(|(kind, _)| kind.len());
    let lines = told.lines().filter_map(|line| Some((line.get(..kind(line)?)?, line)));
    lines.filter(|(kind, line)| !kind.contains(' ') && line.contains("; ")).collect()
}

fn sound(directory: &Path, objects: usize) {
    let dump = generated::sound(objects, SEED);
    let [thrift, cql, bare] = ["sound-a.json", "sound-b.json.gz", "sound-c.json"].map(|name| directory.join(name));
    for (form, file) in [(Form::Thrift, &thrift), (Form::Cql, &cql), (Form::Bare, &bare)] {
        write(&dump, form, file);
        let begin = Instant::now();
        let told = done(&try_import(file));
        println!("{} objects, {form:?}: {:.1} s", dump.objects, begin.elapsed().as_secs_f64());
        let findings = findings(&told);
        let reserved: Vec<_> = findings.iter().filter(|(kind, _)| *kind == "reserved-address").collect();
        assert_eq!(reserved.len(), dump.reserved.len(), "{told}");
        let others: Vec<_> = findings.iter().filter(|(kind, _)| *kind != "reserved-address").take(20).collect();
        assert!(others.is_empty(), "{others:#?}");
    }
    // The same again is the same.
    let again = directory.join("again.json");
    write(&generated::sound(objects, SEED), Form::Thrift, &again);
    assert!(fs::read(&again).unwrap() == fs::read(&thrift).unwrap());
}

fn with_faults(directory: &Path, objects: usize) {
    let dump = generated::with_faults(objects, SEED);
    let file = directory.join("faults.json.gz");
    write(&dump, Form::Cql, &file);
    let told = done(&try_import(&file));
    let mut findings = findings(&told);
    findings.retain(|(kind, _)| *kind != "reserved-address");
    let mut missing = Vec::new();
    for fault in &dump.planted {
        match findings.iter().position(|(kind, line)| *kind == fault.kind && line.contains(&fault.about)) {
            Some(index) => drop(findings.swap_remove(index)),
            None => missing.push(fault),
        }
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for fault in &dump.planted {
        *kinds.entry(fault.kind).or_default() += 1;
    }
    println!("{} faults of {} kinds in {} objects: {kinds:?}", dump.planted.len(), kinds.len(), dump.objects);
    assert!(missing.is_empty() && findings.is_empty(), "not told: {missing:#?}\ntold, and not planted: {findings:#?}");
}
