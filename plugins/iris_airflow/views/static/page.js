"use strict";

// Airflow keeps its theme here; without it the style sheet follows the system.
function followTheme() {
  let theme = null;
  try {
    theme = window.localStorage.getItem("theme");
  } catch {
    // Storage may be switched off.
  }
  if (theme === "dark" || theme === "light") {
    document.documentElement.dataset.theme = theme;
  } else {
    delete document.documentElement.dataset.theme;
  }
}

followTheme();
window.addEventListener("storage", followTheme);

// Airflow shows this page in a frame that may neither open windows nor lead away. A link of Airflow's own
// document may.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (!link || window.parent === window || !("outside" in link.dataset || "elsewhere" in link.dataset)) {
    return;
  }
  const outer = window.parent.document.createElement("a");
  outer.href = link.href;
  if ("elsewhere" in link.dataset || event.ctrlKey || event.metaKey) {
    outer.target = "_blank";
    outer.rel = "noopener";
  }
  event.preventDefault();
  outer.click();
});
