// Adds what happens to the table of changes, until it is told to pause; then it goes on where it was.
import { say } from "./live.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
/** So many at once are enough; the page has earlier ones. */
const BETWEEN = 200;
const MOST_ROWS = 500;
/** How long the server waits for a change, in seconds. */
const PATIENCE = 25;

const button = document.getElementById("pause");
const body = document.querySelector("#changes tbody");
let since = button.dataset.since;
let asking = null;
let turn = 0;

const sleep = (time) => new Promise((done) => setTimeout(done, time));

function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
}

function row({ at, operation, kind, name, fullName, href, what, who }) {
    const made = element("tr", "", { class: "fresh" });
    const head = element("th", "", { scope: "row" });
    head.append(element("a", name || "(no name)", { href, title: fullName }), " ", element("small", kind));
    const change = element("td", "", { "data-title": "Change" });
    change.append(element("strong", operation, { class: operation }));
    const when = element("td", "", { "data-title": "When (UTC)" });
    when.append(element("time", at, { datetime: `${at.replace(" ", "T")}Z` }));
    made.append(head, change, when, element("td", what, { "data-title": "Fields" }), element("td", who, { "data-title": "By" }));
    return made;
}

function add(rows) {
    if (rows.length === 0) return;
    document.getElementById("no-changes")?.remove();
    body.prepend(...rows.map(row).reverse());
    while (body.children.length > MOST_ROWS) body.lastElementChild.remove();
}

/** What a page of the server answers; null where there is no use in going on. */
async function ask(path, query, signal) {
    const answer = await fetch(`${path}?${query}`, { signal, redirect: "manual" });
    if (answer.ok) return answer.json();
    if (answer.status === 410) location.reload();
    else if (answer.status === 401) say("your session has ended: load the page again", true);
    else if (answer.status === 403) say("changes are not told to you", true);
    else throw new Error(answer.statusText);
    return null;
}

async function follow() {
    const own = ++turn;
    asking = new AbortController();
    const { signal } = asking;
    const filter = new URLSearchParams(location.search);
    let pause = FIRST_PAUSE;
    while (own === turn) {
        try {
            let told;
            do {
                filter.set("since", since);
                told = await ask("/ui/changes/new", filter, signal);
                if (!told || own !== turn) return;
                add(told.rows);
                since = told.to;
                say("live");
                pause = FIRST_PAUSE;
            } while (told.more);
            const next = new URLSearchParams({ since, limit: 1, wait: PATIENCE, resource_type: filter.get("type") || "*" });
            if (!await ask("/ui/feed/changes", next, signal)) return;
            await sleep(BETWEEN);
        } catch {
            if (own !== turn) return;
            say("not connected, trying again", true);
            await sleep(pause);
            pause = Math.min(pause * 2, LONGEST_PAUSE);
        }
    }
}

function stop() {
    turn += 1;
    asking?.abort();
}

button.hidden = false;
button.addEventListener("click", () => {
    const isPaused = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isPaused));
    button.textContent = isPaused ? "Go on" : "Pause";
    if (isPaused) {
        stop();
        say("paused");
    } else {
        follow();
    }
});
addEventListener("pagehide", stop);
addEventListener("pageshow", (event) => { if (event.persisted && button.getAttribute("aria-pressed") !== "true") follow(); });
follow();
