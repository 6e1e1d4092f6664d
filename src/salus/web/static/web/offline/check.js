// Check a form on the device by its schema: the same rules that the server checks again.
(function () {
  "use strict";
  const offline = window.salusOffline;

  function empty(value) { return value === "" || value === false || (Array.isArray(value) && !value.length) || value === undefined; }
  function words(text, limit) { return text.replace("{limit}", String(limit)); }
  function isDay(text) {
    const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
    if (!parts) return false;
    const day = new Date(Date.UTC(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3])));
    return day.toISOString().slice(0, 10) === text;
  }
  function today() {
    const now = new Date();
    return new Date(now.getTime() - now.getTimezoneOffset() * 60000).toISOString().slice(0, 10);
  }

  function ofField(field, value, say) {
    if (empty(value)) return field.required ? say.required : "";
    if (field.kind === "yes") return "";
    if (field.kind === "choices" || field.kind === "choice") {
      const known = new Set((field.choices || []).map(function (choice) { return choice[0]; }));
      const given = Array.isArray(value) ? value : [value];
      return given.every(function (one) { return known.has(one); }) ? "" : say.choice;
    }
    if (field.kind === "number" || field.kind === "whole") {
      const plain = value.trim();
      if (!/^-?\d+([.]\d+)?$/.test(plain)) return field.kind === "whole" ? say.whole : say.number;
      if (field.kind === "whole" && !/^-?\d+$/.test(plain)) return say.whole;
      if (field.places !== undefined && (plain.split(".")[1] || "").length > field.places) return words(say.places, field.places);
      if (field.min !== undefined && Number(plain) < Number(field.min)) return words(say.min, field.min);
      if (field.max !== undefined && Number(plain) > Number(field.max)) return words(say.max, field.max);
      return "";
    }
    if (field.kind === "day" || field.kind === "moment") {
      if (!isDay(value.slice(0, 10)) || (field.kind === "day" && value.length !== 10)) return say.day;
      if (field.min !== undefined && value < field.min) return words(say.min, field.min);
      if (field.max !== undefined && value > field.max) return words(say.max, field.max);
      return "";
    }
    const length = Array.from(value.trim()).length;
    if (field.min_length !== undefined && length < field.min_length) return words(say.min_length, field.min_length);
    if (field.max_length !== undefined && length > field.max_length) return words(say.max_length, field.max_length);
    if (field.pattern) {
      let pattern = null;
      try { pattern = new RegExp(field.pattern.replace(/\\Z$/, "$"), "u"); } catch (error) { return ""; } // the server checks it
      if (!pattern.test(value.trim())) return field.pattern_message || say.pattern;
    }
    return "";
  }

  function holds(rule, schema, values) {
    const mine = values[rule.field];
    if (rule.kind === "at_least_one") return rule.values.some(function (name) { return !empty(values[name]); });
    if (rule.kind === "required_if") {
      const other = values[rule.other];
      const given = (Array.isArray(other) ? other : [other]).map(function (one) {
        return one === true ? "true" : one === false ? "false" : String(one === undefined ? "" : one);
      });
      return !given.some(function (one) { return rule.values.includes(one); }) || !empty(mine);
    }
    const other = rule.other ? values[rule.other] : today();
    if (empty(mine) || empty(other)) return true;
    if (rule.kind === "not_above") return Number(mine) <= Number(other);
    const length = Math.min(mine.length, other.length);
    const a = mine.slice(0, length);
    const b = other.slice(0, length);
    return rule.kind === "not_after" ? a <= b : a >= b;
  }

  // Return what is wrong, by field; an empty object when nothing is.
  offline.check = function (schema, values, say) {
    const wrong = {};
    schema.fields.forEach(function (field) {
      const found = ofField(field, values[field.name], say);
      if (found) wrong[field.name] = [found];
    });
    schema.rules.forEach(function (rule) {
      if (!wrong[rule.field] && !holds(rule, schema, values)) wrong[rule.field] = [rule.message];
    });
    return wrong;
  };

  // Return a value in words, for a person to compare.
  offline.shown = function (field, value, say) {
    if (field.kind === "yes") return value ? say.yes : say.no;
    if (empty(value)) return "–";
    const names = new Map(field.choices || []);
    if (Array.isArray(value)) return value.map(function (one) { return names.get(one) || one; }).join("; ");
    return names.get(String(value)) || String(value).replace("T", " ");
  };
})();
