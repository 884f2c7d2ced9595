// Follows changes, and goes on where it was after a broken connection or a restart of the server. The page says how that is.
//
//     import { follow } from "./live.js";
//     const stop = follow({ types: ["virtual-network"], fields: { "virtual-network": ["uuid"] }, onChange: (change) => { ... } });
//
// `change` is { operation: "create" | "update" | "delete", type, object }; of what is deleted the object has its uuid only.
// `onGap` is called where changes may have been missed: then all that is shown has to be asked for again (default: the page is
// loaded anew).

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

/** Says in the head of the page how it is with the feed. */
export function say(text, isBroken = false) {
    const place = document.getElementById("live");
    if (!place || place.textContent === text) return;
    place.textContent = text;
    place.classList.toggle("broken", isBroken);
}

/** Follows changes of these types from now on, or from `since`, a position. Gives a function that ends it. */
export function follow({ types, fields = {}, since = null, onChange, onGap = () => location.reload() }) {
    let position = since;
    let source = null;
    let timer = null;
    let pause = FIRST_PAUSE;
    let isStopped = false;

    const connect = () => {
        const query = new URLSearchParams({ resource_type: types.join(","), bookmarks: "true", since: position });
        for (const [type, names] of Object.entries(fields)) query.set(`${type.replaceAll("-", "_")}_fields`, names.join(","));
        source = new EventSource(`/ui/watch?${query}`);
        const keep = (event) => { if (event.lastEventId) position = event.lastEventId; };
        source.onopen = () => { pause = FIRST_PAUSE; say("live"); };
        for (const operation of ["create", "update", "delete"]) {
            source.addEventListener(operation, (event) => {
                keep(event);
                const [[type, object]] = Object.entries(JSON.parse(event.data));
                onChange({ operation, type, object });
            });
        }
        source.addEventListener("bookmark", keep);
        source.addEventListener("gone", gap);
        source.addEventListener("stop", lost);
        source.onerror = lost;
    };
    const gap = () => { close(); onGap(); };
    const close = () => { source?.close(); source = null; };
    // The browser's own attempts neither stop nor tell why: it is asked first whether the server, and the session, are there.
    const lost = () => {
        close();
        if (isStopped || timer) return;
        say("not connected, trying again", true);
        timer = setTimeout(again, pause);
        pause = Math.min(pause * 2, LONGEST_PAUSE);
    };
    const again = async () => {
        timer = null;
        if (isStopped) return;
        try {
            const answer = await fetch(`/ui/feed/changes?limit=1&resource_type=${types[0]}&since=${position ?? "now"}`, { redirect: "manual" });
            if (answer.status === 410) return onGap();
            if (answer.status === 401) return say("your session has ended: load the page again", true);
            if (answer.status === 403) return say("changes are not told to you", true);
            if (!answer.ok) return lost();
            position ??= (await answer.json()).to;
            if (!isStopped) connect();
        } catch {
            lost();
        }
    };
    again();
    addEventListener("pagehide", () => { isStopped = true; close(); });
    return () => { isStopped = true; clearTimeout(timer); close(); say(""); };
}
