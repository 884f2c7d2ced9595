// Says when the object that is shown has changed since.
import { follow } from "./live.js";

const note = document.getElementById("changed");
if (note) {
    const { type, uuid } = note.dataset;
    follow({
        types: [type],
        fields: { [type]: ["display_name"] },
        onChange: ({ operation, object }) => {
            if (object.uuid !== uuid) return;
            const again = document.createElement("a");
            again.href = location.href;
            again.textContent = "Load the page again";
            note.replaceChildren(operation === "delete" ? "This has been deleted. " : "This has changed since. ", again);
            note.hidden = false;
        },
    });
}
