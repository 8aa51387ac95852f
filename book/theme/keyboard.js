// For readers without a mouse, and for those who have the page read to them: what mdBook leaves to be reached by
// touch only. Without scripts, the pages are as mdBook makes them.
"use strict";

(() => {
    // The sidebar's button is a label, which no key reaches.
    const toggle = document.getElementById("mdbook-sidebar-toggle");
    toggle.setAttribute("role", "button");
    toggle.tabIndex = 0;
    toggle.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            toggle.click();
        }
    });

    // Names and landmarks that are not there.
    document.getElementById("mdbook-menu-bar").setAttribute("role", "banner");
    document.getElementById("mdbook-search-wrapper").setAttribute("role", "search");
    document.getElementById("mdbook-searchbar").setAttribute("aria-label", "Search this book");

    // What is wider than its place is scrolled by the arrow keys, once it has the focus, and has a name for that. What
    // fits is no stop on the way of the Tab key. Pictures are marked in the page.
    const mark = (element, name) => {
        if (element.scrollWidth > element.clientWidth) {
            element.tabIndex = 0;
            element.setAttribute("role", "group");
            element.setAttribute("aria-label", name);
        } else {
            for (const attribute of ["tabindex", "role", "aria-label"]) {
                element.removeAttribute(attribute);
            }
        }
    };
    const names = [
        [".content pre > code", "Code, wider than the page"],
        [".content .table-wrapper", "Table, wider than the page"],
    ];
    for (const [selector, name] of names) {
        const sizes = new ResizeObserver((changes) => changes.forEach(({ target }) => mark(target, name)));
        document.querySelectorAll(selector).forEach((element) => sizes.observe(element));
    }

    // To mdBook these keys mean the page before and the one after.
    document.addEventListener(
        "keydown",
        (event) => {
            const sideways = event.key === "ArrowLeft" || event.key === "ArrowRight";
            if (sideways && event.target.closest(".content [tabindex='0']")) {
                event.stopImmediatePropagation();
            }
        },
        true,
    );
})();
