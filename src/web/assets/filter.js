// Leaves rows out whose name has not what is typed. The rows are those that the field names (`data-rows`).
const field = document.getElementById("filter");
if (field) {
    field.hidden = false;
    document.querySelector("label[for=filter]").hidden = false;
    field.addEventListener("input", () => {
        const wanted = field.value.trim().toLowerCase();
        for (const row of document.querySelectorAll(field.dataset.rows)) {
            row.hidden = !row.firstElementChild.textContent.toLowerCase().includes(wanted);
        }
    });
}
