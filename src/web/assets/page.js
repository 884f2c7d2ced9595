// What every page has. The field for search takes what is typed when nothing else does.
document.addEventListener("keydown", (event) => {
    const search = document.getElementById("search");
    const types = event.target.closest("input, select, textarea, [contenteditable]");
    if (event.key === "/" && search && !types && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        search.focus();
    }
});
