use super::*;
use proptest::prelude::*;

fn caller(level: Level, project: Option<u128>, domain: Option<u128>) -> Identity {
    let scope = |number: u128| Scope::new(Uuid::from_u128(number).simple().to_string(), None);
    let caller = Caller { project: project.map(scope), domain: domain.map(scope), ..Caller::of_level(level) };
    Identity { caller: Arc::new(caller), ..Identity::server("test") }
}

#[test]
fn keys_of_one_are_not_those_of_another() {
    let keys = |user: Option<&str>, project: Option<&str>| {
        let project = project.map(|project| Scope::new(project, None));
        let caller = Caller { user: user.map(str::to_owned), project, ..Caller::of_level(Level::Member) };
        Identity { caller: Arc::new(caller), ..Identity::server("a") }.owner_of_keys()
    };
    let all = [
        keys(None, None),
        keys(Some("a"), None),
        keys(None, Some("a")),
        keys(Some("a b"), Some("c")),
        keys(Some("a"), Some("b c")),
        keys(Some("a\",\"b"), None),
        keys(Some("a"), Some("b")),
    ];
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len(), "{all:?}");
    let moved = Identity { address: Some("10.0.0.1".to_owned()), ..Identity::server("another") };
    assert_eq!(moved.owner_of_keys(), keys(None, None));
}

#[test]
fn what_a_header_says_is_cut() {
    assert_eq!(kept("neutron".to_owned()), "neutron");
    assert_eq!(kept("ü".repeat(MOST_CHARACTERS)), "ü".repeat(MOST_CHARACTERS));
    let cut = kept("ü".repeat(100_000));
    assert_eq!(cut, "ü".repeat(MOST_CHARACTERS));
    assert_eq!(cut.capacity(), cut.len());
}

fn rights(identity: &Identity, perms2: &str) -> u8 {
    identity.rights(&Permissions::read(Some(perms2)))
}

#[test]
fn perm_1_and_perm_2_levels_come_before_objects() {
    let orphan = r#"{"owner": null, "owner_access": 7, "global_access": 7, "share": []}"#;
    for (level, expected) in [(Level::Nobody, 0), (Level::Member, 0), (Level::ReadAll, 4), (Level::Admin, 7)] {
        assert_eq!(rights(&caller(level, Some(1), Some(2)), orphan), expected, "{level:?}");
    }
    // Nobody is no project either, even if everybody may do everything.
    let open = r#"{"owner": "cloud-admin", "owner_access": 7, "global_access": 7}"#;
    assert_eq!(rights(&caller(Level::Nobody, None, None), open), 0);
    assert_eq!(rights(&caller(Level::Member, None, None), open), 7);
}

#[test]
fn perm_3_all_shares_that_name_the_caller_count() {
    let (project, domain) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let member = caller(Level::Member, Some(1), Some(2));
    let shared = |entries: &str| rights(&member, &format!(r#"{{"owner": "cloud-admin", "share": [{entries}]}}"#));
    assert_eq!(shared(&format!(r#"{{"tenant": "{project}", "tenant_access": 4}}"#)), 4);
    assert_eq!(shared(&format!(r#"{{"tenant": "tenant:{}", "tenant_access": 1}}"#, project.simple())), 1);
    assert_eq!(shared(&format!(r#"{{"tenant": "domain:{domain}", "tenant_access": 2}}"#)), 2);
    assert_eq!(shared(&format!(r#"{{"tenant": "domain:{project}", "tenant_access": 7}}"#)), 0);
    let twice = format!(
        r#"{{"tenant": "{project}", "tenant_access": 4}}, {{"tenant": "domain:{domain}", "tenant_access": 2}},
           {{"tenant": "tenant:{project}", "tenant_access": 1}}"#
    );
    assert_eq!(shared(&twice), 7);
    // What makes no sense is no share, and takes nothing away from the others.
    let odd =
        format!(r#"{{"tenant": "x:y:z", "tenant_access": 7}}, {{}}, 7, {{"tenant": "{project}", "tenant_access": 4}}"#);
    assert_eq!(shared(&odd), 4);
}

#[test]
fn an_owner_without_access_of_its_own_has_all() {
    let owner = Uuid::from_u128(1).to_string();
    let member = caller(Level::Member, Some(1), None);
    assert_eq!(rights(&member, &format!(r#"{{"owner": "{owner}"}}"#)), 7);
    assert_eq!(rights(&member, &format!(r#"{{"owner": "{owner}", "owner_access": 4}}"#)), 4);
    assert_eq!(rights(&member, &format!(r#"{{"owner": "{owner}", "owner_access": "many"}}"#)), 0);
    assert_eq!(rights(&caller(Level::Member, Some(2), None), &format!(r#"{{"owner": "{owner}"}}"#)), 0);
}

proptest! {
    /// Rights grow with shares, depend on their order in nothing, and admins have all.
    #[test]
    fn rights_grow_with_shares(
        owner in prop::option::of(0_u128..3),
        accesses in (0_u8..8, 0_u8..8),
        shares in prop::collection::vec((0_u8..2, 0_u128..3, 0_u8..8), 0..6),
        who in (prop::option::of(0_u128..3), prop::option::of(0_u128..3)),
    ) {
        let of = |shares: &[(u8, u128, u8)]| Permissions {
            owner: owner.map_or(Owner::Nobody, |owner| Owner::Project(Uuid::from_u128(owner))),
            owner_access: accesses.0,
            global_access: accesses.1,
            shares: shares.iter().map(|(kind, number, access)| {
                let uuid = Uuid::from_u128(*number);
                (if *kind == 0 { Grantee::Project(uuid) } else { Grantee::Domain(uuid) }, *access)
            }).collect(),
        };
        let member = caller(Level::Member, who.0, who.1);
        let all = member.rights(&of(&shares));
        for count in 0..shares.len() {
            let fewer = member.rights(&of(&shares[..count]));
            prop_assert_eq!(fewer & all, fewer);
        }
        let backwards: Vec<_> = shares.iter().rev().copied().collect();
        prop_assert_eq!(member.rights(&of(&backwards)), all);
        prop_assert_eq!(caller(Level::Admin, who.0, who.1).rights(&of(&shares)), ALL_RIGHTS);
        prop_assert_eq!(caller(Level::ReadAll, who.0, who.1).rights(&of(&shares)), all | 4);
        // Who is granted to read is who may read.
        let granted = of(&shares).readers().any(|grantee| member.grantees().contains(&grantee));
        prop_assert_eq!(granted, Right::Read.is_in(all));
    }
}

#[test]
fn role_8_what_the_server_does_by_itself_it_may() {
    let server = Identity::server("test");
    assert!(server.is_admin() && server.sees_everything());
    assert_eq!(rights(&server, r#"{"owner": "00000000-0000-0000-0000-000000000001", "owner_access": 0}"#), ALL_RIGHTS);
}
