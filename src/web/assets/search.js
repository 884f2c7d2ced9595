// Shows below the field for search what fits, while one types: a listbox that the arrow keys go through. Without an entry that is
// chosen, Enter leads to the page with all of it, as it does without this script.
const PAUSE = 80;

const field = document.getElementById("search");
const list = document.getElementById("found");
const told = document.getElementById("found-status");
let timer = null;
let asking = null;
let chosen = -1;

const part = (kind, text) => {
    const element = document.createElement("span");
    element.className = kind;
    element.textContent = text;
    return element;
};

function close() {
    clearTimeout(timer);
    asking?.abort();
    list.hidden = true;
    list.replaceChildren();
    choose(-1);
    field.setAttribute("aria-expanded", "false");
}

function choose(index) {
    chosen = index;
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
    const option = list.children[index];
    if (option) {
        field.setAttribute("aria-activedescendant", option.id);
        option.scrollIntoView({ block: "nearest" });
    } else {
        field.removeAttribute("aria-activedescendant");
    }
}

function show({ found, more }) {
    list.replaceChildren(...found.map(({ href, name, kind, place, why }, index) => {
        const option = document.createElement("li");
        option.id = `found-${index}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.dataset.href = href;
        option.append(part("name", name || "(no name)"), " ", part("kind", kind), " ", part("why", why || place));
        return option;
    }));
    choose(-1);
    list.hidden = found.length === 0;
    field.setAttribute("aria-expanded", String(found.length > 0));
    const count = found.length === 0 ? "Nothing fits" : `${found.length}${more ? " and more" : ""} found`;
    told.textContent = count;
    list.dataset.of = field.value.trim();
}

async function ask() {
    const text = field.value.trim();
    asking?.abort();
    if (text === "") return close();
    asking = new AbortController();
    const { signal } = asking;
    try {
        const answer = await fetch(`/ui/search/found?${new URLSearchParams({ q: text })}`, { signal, redirect: "manual" });
        if (answer.ok) {
            const found = await answer.json();
            if (!signal.aborted && document.activeElement === field) show(found);
        }
    } catch {
        // Another question has taken its place, or the server is away; Enter tells.
    }
}

if (field && list) {
    field.setAttribute("role", "combobox");
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-expanded", "false");
    field.setAttribute("aria-controls", list.id);
    field.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(ask, PAUSE);
    });
    field.addEventListener("focus", () => { if (field.value.trim() !== "" && list.hidden && field.value !== field.defaultValue) ask(); });
    field.addEventListener("blur", close);
    field.addEventListener("keydown", (event) => {
        const count = list.children.length;
        if (event.key === "Escape" && !list.hidden) {
            event.preventDefault();
            close();
        } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && count > 0) {
            event.preventDefault();
            const step = event.key === "ArrowDown" ? 1 : -1;
            // Between the last one and the first one there is the field itself.
            choose(((chosen + 1 + step + count + 1) % (count + 1)) - 1);
        } else if (event.key === "Enter" && chosen >= 0) {
            event.preventDefault();
            location.assign(list.children[chosen].dataset.href);
        }
    });
    // The field keeps the focus, so that the list is there when the button of the mouse comes up again.
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => {
        const option = event.target.closest("[role=option]");
        if (option) location.assign(option.dataset.href);
    });
}
