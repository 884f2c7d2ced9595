//! The integration tests, in one program: what they share is compiled and linked once, they run beside each other, and
//! one that fails hides none of the others. `cargo test --test integration` runs all, with a name at its end those whose
//! names contain it. A table at the end says what took how long.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod address_capacity;
mod amqp;
mod bad_input;
mod concurrency;
mod concurrency_rules;
mod crash;
mod failover;
mod feed_property;
mod feeds;
mod golden;
mod interface_route;
mod large_lists;
mod network_manager_day;
mod openapi;
mod python_client;
mod rule_table;
mod sample_bodies;
mod schemathesis;
mod settings;
mod signals;
mod slow_readers;
mod start_and_stop;
mod support;

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
    asynchronous!(amqp::the_message_bus),
    asynchronous!(bad_input::bad_input_is_refused),
    asynchronous!(address_capacity::whole_pools),
    asynchronous!(schemathesis::the_server_does_what_its_document_says),
    asynchronous!(crash::nothing_answered_is_lost),
    asynchronous!(slow_readers::slow_readers),
    asynchronous!(failover::the_database_fails_over),
    asynchronous!(concurrency_rules::rules_hold_for_all_clients_together),
    asynchronous!(start_and_stop::starting_and_stopping),
    asynchronous!(signals::signals_stop_everything),
    asynchronous!(settings::wrong_settings_are_told),
    asynchronous!(concurrency::two_processes_on_one_database),
    asynchronous!(network_manager_day::a_day_of_the_network_manager),
    plain!(feed_property::every_reader_has_every_change_once_and_in_order),
    asynchronous!(openapi::a_python_client_is_generated_and_works),
    asynchronous!(openapi::a_typescript_client_is_generated_and_works),
    asynchronous!(golden::recorded_exchanges),
    asynchronous!(feeds::feeds),
    asynchronous!(feeds::feeds_and_restarts),
    asynchronous!(large_lists::large_lists_are_whole_and_of_one_moment),
    asynchronous!(interface_route::static_routes_of_an_interface),
    asynchronous!(python_client::first_day_with_the_python_library),
    asynchronous!(sample_bodies::sample_bodies_get_the_recorded_status),
    asynchronous!(openapi::the_document_and_its_page_are_served),
    asynchronous!(openapi::each_example_can_be_sent),
    plain!(interface_route::a_server_that_asks_who_is_there),
    plain!(interface_route::a_token_of_keystone),
    plain!(openapi::the_committed_document_is_current),
    plain!(rule_table::every_rule_has_a_test_and_its_place_in_the_code),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
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
