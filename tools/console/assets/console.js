// Keys, and the pause. The pages work without this.
(() => {
  "use strict";
  const pages = { n: "/", o: "/orders", w: "/ways", t: "/dance", e: "/events/", d: "/dead-letters", m: "/gaps", c: "/calls", b: "/audit", s: "/services", l: "/operations" };
  let paused = sessionStorage.getItem("paused") === "yes";
  let going = false;

  const button = () => document.getElementById("pause");
  const show = () => {
    const pause = button();
    if (!pause) return;
    pause.hidden = false;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
  };
  const toggle = () => {
    paused = !paused;
    sessionStorage.setItem("paused", paused ? "yes" : "no");
    if (paused) show();
    else location.reload();
  };

  // What is being read stays as it is while it is paused, or while something of it is selected.
  document.addEventListener("htmx:sse:before:message", (event) => {
    const selection = document.getSelection();
    if (paused || (selection && !selection.isCollapsed)) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (event.target === button()) toggle();
  });
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (field) {
      if (event.key === "Escape") field.blur();
      return;
    }
    if (going && pages[event.key]) location.assign(pages[event.key]);
    else if (event.key === "/") {
      event.preventDefault();
      document.querySelector("header input").focus();
    } else if (event.key === "p" && button()) toggle();
    going = event.key === "g";
  });
  show();
})();
