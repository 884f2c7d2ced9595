// Rows of lists come and go without leaving the page: the form is sent as it would be, and what comes back takes its place.
const place = document.getElementById("form");
let isBusy = false;

place?.addEventListener("submit", async (event) => {
    const { submitter, target } = event;
    if (!/^(add|remove):/.test(submitter?.value ?? "") || submitter.dataset.plain) return;
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    try {
        const body = new URLSearchParams(new FormData(target, submitter));
        const answer = await fetch(target.action, { method: "POST", body });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const form = page.getElementById("form");
        if (!answer.ok || !form) throw new Error(answer.status);
        const open = [...place.querySelectorAll("details[open][id]")].map((details) => details.id);
        place.replaceChildren(...form.childNodes);
        for (const details of place.querySelectorAll("details[id]")) details.open ||= open.includes(details.id);
        place.querySelector("[autofocus]")?.focus();
    } catch {
        // The browser shows what the server says.
        submitter.dataset.plain = "yes";
        target.requestSubmit(submitter);
    } finally {
        isBusy = false;
    }
});
