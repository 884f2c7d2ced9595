// Shows only what has all words of the field in its name, its title or one of its paths; in any case, dashed or not.
"use strict";
const field = document.getElementById("filter");
const entries = Array.from(document.querySelectorAll("li"));
const plain = (text) => text.toLowerCase().replace(/[-_/]/g, " ");
const texts = entries.map((entry) => plain(entry.textContent + " " + entry.dataset.words));

function show() {
    const words = plain(field.value).split(" ").filter((word) => word);
    let shown = 0;
    entries.forEach((entry, index) => {
        entry.hidden = !words.every((word) => texts[index].includes(word));
        shown += entry.hidden ? 0 : 1;
    });
    document.getElementById("nothing").hidden = shown > 0;
}

field.addEventListener("input", show);
field.addEventListener("keydown", (event) => {
    const first = entries.find((entry) => !entry.hidden);
    if (event.key === "Enter" && first) {
        location.href = first.querySelector("a").href;
    }
});
// The browser may have kept what was in the field.
show();
