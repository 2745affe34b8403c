// Only while `workings watch` serves the page: it reloads when the page has changed, at the section that did.
"use strict";

(function watch() {
  const KEY = "workings-section";
  const name = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  const head = name && document.getElementById((read("data").sections[name] || [])[2]);
  if (head) {
    const heads = [...document.querySelectorAll("main h2, main h3")].filter((each) => each.getBoundingClientRect().top < innerHeight / 2);
    if (heads[heads.length - 1] !== head) addEventListener("load", () => setTimeout(() => head.scrollIntoView()));
  }
  new EventSource("events").onmessage = (event) => {
    if (event.data) sessionStorage.setItem(KEY, event.data);
    location.reload();
  };
})();
