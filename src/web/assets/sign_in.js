// Who follows a link from elsewhere comes without the session's cookie, and is led here; from here it is sent. Then nobody has to
// sign in again.
const to = document.querySelector("input[name=to]")?.value;
const ended = new URLSearchParams(location.search).has("ended");
if (to?.startsWith("/ui/") && !ended) {
    // Without an answer (the page is left meanwhile, or the server is away) there is the form.
    const answer = await fetch("/ui/feed/changes?since=now&limit=1").catch(() => null);
    if (answer?.ok || answer?.status === 403) location.replace(to);
}
