//! Is the simulation any good? It breaks the heart in every way it knows, and must notice each within some seeds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use framecast::stream::sabotage::{self, Sabotage};

use crate::run;

const SEEDS_MAX: u64 = 1000;

pub fn run(steps: usize) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let findings = Mutex::new(vec![None; Sabotage::ALL.len()]);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let index = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(&sabotage) = Sabotage::ALL.get(index)
                {
                    sabotage::set(Some(sabotage));
                    let found = (0..SEEDS_MAX).find_map(|seed| Some((seed + 1, run::run(seed, steps, false).err()?)));
                    findings.lock().unwrap()[index] = found;
                }
            });
        }
    });
    let findings = findings.into_inner().unwrap();
    for (sabotage, finding) in Sabotage::ALL.iter().zip(&findings) {
        match finding {
            Some((seeds, fault)) => println!("{:<20} {seeds:>4}  {fault:.100}", format!("{sabotage:?}")),
            None => println!("{:<20}    -  not noticed within {SEEDS_MAX} seeds", format!("{sabotage:?}")),
        }
    }
    let noticed = findings.iter().flatten().count();
    println!("{noticed} of {} sabotages are noticed", findings.len());
    if noticed == findings.len() { Ok(()) } else { Err("the simulation is too weak".into()) }
}
