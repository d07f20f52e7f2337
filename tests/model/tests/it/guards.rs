use farandole_model::{Fleet, Mutant};
use stateright::{Checker, HasDiscoveries, Model};

/// A check that finds nothing may be blind. This one sees what each guard is for.
#[test]
fn no_guard_can_be_removed_unseen() {
    for mutant in Mutant::ALL {
        let broken = HasDiscoveries::AllOf([mutant.breaks()].into());
        let fleet = Fleet::without_guard(mutant.bounds(), mutant);
        let checker = fleet.checker().finish_when(broken).spawn_bfs().join();
        let found = checker.discovery(mutant.breaks());
        assert!(found.is_some(), "{mutant:?} breaks nothing: not {:?}", mutant.breaks());
        let steps = found.map_or(0, |path| path.into_actions().len());
        println!("{mutant:?}: {} ({steps} steps)", mutant.breaks());
    }
}
