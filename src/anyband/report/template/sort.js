// Click a heading to sort by it; click again to turn the order. Without this script tables keep their order.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const first = heading.classList.contains("number") ? "descending" : "ascending";
      const other = first === "descending" ? "ascending" : "descending";
      const order = heading.ariaSort === first ? other : first;
      headings.forEach((h) => h.removeAttribute("aria-sort"));
      heading.ariaSort = order;
      const key = (row) => row.cells[column].dataset.sort ?? "";
      const numeric = heading.classList.contains("number");
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const difference = numeric ? x - y : x.localeCompare(y);
        return order === "ascending" ? difference : -difference;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
