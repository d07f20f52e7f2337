use farandole_model::Report;
use farandole_model::effects::{Bounds, Effects, Mutant};
use stateright::{Checker, HasDiscoveries, Model};

#[test]
fn all_holds_in_every_world_that_can_be_reached() {
    for bounds in Bounds::SMALL {
        let report = Report::of(&Effects::new(bounds).checker().spawn_bfs().join());
        println!("{report}");
        assert!(report.failures.is_empty(), "{report}");
    }
}

#[test]
fn no_guard_can_be_removed_unseen() {
    for mutant in Mutant::ALL {
        let broken = HasDiscoveries::AllOf([mutant.breaks()].into());
        let effects = Effects::without_guard(mutant.bounds(), mutant);
        let checker = effects.checker().finish_when(broken).spawn_bfs().join();
        let found = checker.discovery(mutant.breaks());
        assert!(found.is_some(), "{mutant:?} breaks nothing: not {:?}", mutant.breaks());
        let steps = found.map_or(0, |path| path.into_actions().len());
        println!("{mutant:?}: {} ({steps} steps)", mutant.breaks());
    }
}
