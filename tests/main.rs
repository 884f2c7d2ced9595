//! The integration tests, in one program: what they share is compiled and linked once, they run beside each other, and
//! one that fails hides none of the others. `cargo test --test integration` runs all, with a name at its end those whose
//! names contain it. A table at the end says what took how long.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
// Tests look at the database as anybody may.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod access_matrix;
mod access_page;
mod address_capacity;
mod administrators;
mod agreement;
mod amqp;
mod audit;
mod authentication;
mod backup;
mod bad_input;
mod browsers;
mod concurrency;
mod concurrency_rules;
mod connections;
mod consistency;
mod cql_clients;
mod cql_control_node;
mod cql_hostile;
mod cql_recorded;
mod crash;
mod database_refusals;
mod debian_package;
mod export;
mod failover;
mod feed_property;
mod feeds;
mod generated_dump;
mod golden;
mod hanging_database;
mod high_availability;
mod history;
mod host_based_service;
mod hungry_clients;
mod idempotency;
mod import;
mod import_daemons;
mod interface_route;
mod introspect;
mod jobs;
mod jwt;
mod kept_changes;
mod keystone;
mod large_lists;
mod lease;
mod logs;
mod member_feeds;
mod metrics;
mod migrations;
mod moving;
mod network_manager_day;
mod neutron_access;
mod neutron_bad_input;
mod neutron_classes;
mod neutron_tenants;
mod openapi;
mod pages;
mod python_client;
mod refusals;
mod relaxed_references;
mod role_rules;
mod rooms;
mod rule_table;
mod sample_bodies;
mod schemathesis;
mod settings;
mod shared_settings;
mod sign_in_at_issuer;
mod signals;
mod slow_readers;
mod start_and_stop;
mod support;
mod tenants;
mod tls;
mod tools;
mod traces;
mod transactions;
mod unknown_fields;
mod web;
mod web_browser;
mod web_forms;
mod who_asks;
mod write_back;

use libtest_mimic::{Arguments, Trial};
use std::{
    future::Future,
    pin::Pin,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// How a test is called.
#[derive(Clone, Copy)]
enum Call {
    Plain(fn()),
    Asynchronous(fn() -> Pin<Box<dyn Future<Output = ()>>>),
}

macro_rules! plain {
    ($module:ident :: $function:ident) => {
        (concat!(stringify!($module), "::", stringify!($function)), Call::Plain($module::$function))
    };
}

macro_rules! asynchronous {
    ($module:ident :: $function:ident) => {
        (
            concat!(stringify!($module), "::", stringify!($function)),
            Call::Asynchronous(|| Box::pin($module::$function())),
        )
    };
}

/// All of them, those that take long first: what is left at the end, when others have nothing to do any more, is short. One
/// that is not in here is code that nobody calls, which the compiler tells.
const TESTS: &[(&str, Call)] = &[
    asynchronous!(schemathesis::the_server_does_what_its_document_says),
    asynchronous!(bad_input::bad_input_is_refused),
    asynchronous!(amqp::the_message_bus),
    asynchronous!(address_capacity::whole_pools),
    asynchronous!(keystone::tokens_of_the_real_keystone),
    asynchronous!(jobs::jobs_and_messages),
    asynchronous!(crash::nothing_answered_is_lost),
    asynchronous!(consistency::each_kind_is_found),
    asynchronous!(consistency::what_is_found_is_repaired),
    asynchronous!(cql_control_node::a_control_node_has_everything),
    asynchronous!(cql_control_node::a_day_with_a_control_node),
    asynchronous!(cql_clients::tables_are_what_rest_tells),
    asynchronous!(cql_clients::people_use_the_shell),
    asynchronous!(cql_clients::daemons_read_the_configuration),
    asynchronous!(cql_clients::another_server_takes_over),
    asynchronous!(cql_hostile::broken_and_mean_clients),
    asynchronous!(cql_recorded::what_was_recorded_is_answered),
    asynchronous!(slow_readers::slow_readers),
    asynchronous!(concurrency::two_processes_on_one_database),
    asynchronous!(idempotency::a_request_with_a_key_is_done_once),
    asynchronous!(hanging_database::nobody_hangs_with_the_database),
    asynchronous!(network_manager_day::a_day_of_the_network_manager),
    asynchronous!(neutron_bad_input::what_is_wrong_is_refused),
    asynchronous!(neutron_tenants::tenants_on_two_servers),
    asynchronous!(history::histories_are_explained),
    asynchronous!(agreement::tables_log_and_memory_agree),
    asynchronous!(hungry_clients::connections),
    asynchronous!(signals::signals_stop_everything),
    asynchronous!(export::everything_is_exported),
    asynchronous!(moving::out_and_in_is_the_same),
    asynchronous!(moving::servers_that_can_not_be_moved_from),
    asynchronous!(generated_dump::each_planted_fault_is_told),
    asynchronous!(import::a_configuration_moves_in),
    asynchronous!(import_daemons::keyspaces_are_imported),
    plain!(feed_property::every_reader_has_every_change_once_and_in_order),
    plain!(transactions::a_transaction_is_whole_on_every_server),
    asynchronous!(transactions::several_things_as_one),
    asynchronous!(kept_changes::what_is_kept_has_a_bound),
    asynchronous!(openapi::a_python_client_is_generated_and_works),
    asynchronous!(openapi::a_typescript_client_is_generated_and_works),
    asynchronous!(web_forms::objects_are_changed_by_forms),
    asynchronous!(web_browser::a_browser_looks_at_the_pages),
    asynchronous!(web_browser::a_member_signs_in_with_a_browser),
    asynchronous!(web_browser::a_restart_is_told_on_the_page),
    asynchronous!(web::users_of_keystone_sign_in),
    asynchronous!(sign_in_at_issuer::people_sign_in_at_an_issuer),
    asynchronous!(web_browser::a_member_signs_in_at_an_issuer_with_a_browser),
    asynchronous!(web::the_pages),
    asynchronous!(start_and_stop::starting_and_stopping),
    asynchronous!(debian_package::it_is_installed_started_upgraded_and_removed),
    asynchronous!(feeds::feeds),
    asynchronous!(feeds::no_project_has_all_watchers),
    asynchronous!(hungry_clients::clients_that_take_nothing),
    asynchronous!(migrations::databases_of_earlier_releases),
    asynchronous!(lease::no_read_is_stale_when_another_server_takes_over),
    asynchronous!(feeds::feeds_and_restarts),
    asynchronous!(member_feeds::what_members_are_told),
    plain!(member_feeds::what_a_member_was_told_is_what_it_may_read),
    asynchronous!(audit::who_did_what),
    asynchronous!(logs::lines),
    asynchronous!(traces::requests_are_traced),
    asynchronous!(introspect::contrail_status),
    asynchronous!(openapi::the_document_and_its_page_are_served),
    asynchronous!(large_lists::large_lists_are_whole_and_of_one_moment),
    asynchronous!(agreement::a_long_reader_stops_no_writes),
    asynchronous!(hungry_clients::clients_that_ask_for_a_lot),
    asynchronous!(backup::what_is_restored_is_sound),
    asynchronous!(failover::the_database_fails_over),
    asynchronous!(high_availability::the_leader_is_killed_and_cut_off),
    asynchronous!(database_refusals::what_the_database_refuses_is_told),
    asynchronous!(sample_bodies::sample_bodies_get_the_recorded_status),
    asynchronous!(write_back::what_was_read_can_be_written_back),
    asynchronous!(golden::recorded_exchanges),
    asynchronous!(golden::recorded_exchanges_of_an_admin),
    asynchronous!(golden::neu_hook_2_recorded_exchanges_of_neutron),
    asynchronous!(hungry_clients::limits_that_are_set),
    asynchronous!(connections::many_connections),
    asynchronous!(administrators::admin_4_ways_in_for_administrators),
    asynchronous!(tls::tls_1_to_tls_7),
    asynchronous!(browsers::pages_from_elsewhere_have_no_power),
    asynchronous!(concurrency_rules::rules_hold_for_all_clients_together),
    asynchronous!(interface_route::static_routes_of_an_interface),
    asynchronous!(interface_route::static_routes_of_members),
    asynchronous!(metrics::metrics_and_what_is_made_of_them),
    asynchronous!(settings::wrong_settings_are_told),
    asynchronous!(authentication::who_is_let_in),
    asynchronous!(jwt::tokens_that_an_issuer_has_signed),
    asynchronous!(jwt::an_issuer_whose_certificate_is_looked_at),
    asynchronous!(authentication::cloud_admins_only),
    asynchronous!(authentication::a_token_of_ones_own),
    plain!(authentication::mode_1_mode_4_starts_that_let_somebody_in_by_oversight),
    asynchronous!(tools::tools_find_their_database),
    asynchronous!(shared_settings::servers_on_one_database_share_settings),
    asynchronous!(role_rules::what_roles_may_do),
    asynchronous!(role_rules::rbac_12_default_rules_that_were_narrowed_stay_so),
    asynchronous!(host_based_service::hbs_x1_a_host_based_service_as_manifests),
    asynchronous!(relaxed_references::a_mark_outlives_the_server),
    asynchronous!(openapi::each_example_can_be_sent),
    asynchronous!(tenants::tenants_know_nothing_of_each_other),
    asynchronous!(tenants::what_is_forbidden_can_be_hidden),
    asynchronous!(access_matrix::every_operation_asks_who_may),
    asynchronous!(neutron_access::every_operation_of_neutron_asks_who_may),
    asynchronous!(pages::pages_of_lists),
    asynchronous!(refusals::refusals_are_texts_or_problems),
    asynchronous!(unknown_fields::misspelt_fields_are_named),
    asynchronous!(neutron_classes::neu_err_1_neu_err_2_classes_are_those_of_neutron),
    asynchronous!(python_client::first_day_with_the_python_library),
    plain!(rule_table::every_rule_has_a_test_and_its_place_in_the_code),
    plain!(openapi::the_committed_document_is_current),
    plain!(rule_table::the_page_of_rules_is_current),
    asynchronous!(access_page::its_commands_work_as_they_stand_there),
    plain!(consistency::the_page_is_current),
    plain!(who_asks::a_server_that_asks_who_is_there),
    plain!(who_asks::a_token_is_told_at_once),
    plain!(who_asks::what_is_contradictory_is_refused),
    plain!(who_asks::a_token_of_keystone),
    plain!(who_asks::a_token_goes_nowhere_else),
    plain!(who_asks::servers_with_tls),
    plain!(who_asks::watch_goes_on_when_a_token_has_expired),
    plain!(history::faults_in_histories_are_found),
    plain!(debian_package::its_version_is_the_newest),
    plain!(rooms::who_knows_whom),
];

/// How many run at the same time, unless told otherwise.
const THREADS: usize = 4;

fn main() -> ExitCode {
    // For clients of https, of which the library of HTTP wants to know how even where there are none.
    rustls::crypto::ring::default_provider().install_default().expect("nobody was faster");
    let mut arguments = Arguments::from_args();
    // Each waits for servers, brokers and clocks a third of its time.
    arguments.test_threads.get_or_insert(THREADS);
    let times: Arc<Mutex<Vec<(Duration, &str)>>> = Arc::default();
    let trials = TESTS.iter().map(|(name, call)| {
        let (name, call, times) = (*name, *call, Arc::clone(&times));
        Trial::test(name, move || {
            let begin = Instant::now();
            match call {
                Call::Plain(test) => test(),
                Call::Asynchronous(test) => runtime().block_on(test()),
            }
            times.lock().unwrap().push((begin.elapsed(), name));
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    support::postgresql::remove_new_cluster();
    let mut times = times.lock().unwrap().clone();
    times.sort();
    for (time, name) in times.iter().rev() {
        println!("{:>7.1} s  {name}", time.as_secs_f64());
    }
    conclusion.exit_code()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}
