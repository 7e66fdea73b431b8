'use strict';

/* asv's own pages, made to be read: plain numbers, names of releases, a legend beside the data, one machine at a time.
   Nothing of asv is changed: its pages are wrapped as they register, and what they draw as they draw it. */
$(document).ready(function() {
    var MOST = 8;
    var COLORS = ['#1f6feb', '#d1480f', '#1a7f37', '#8250df', '#9a6700', '#0d7d8c', '#bf3989', '#57606a'];
    var UNITS = {
        seconds: [[1, 's'], [1e-3, 'ms'], [1e-6, '\u00b5s'], [1e-9, 'ns']],
        bytes: [[Math.pow(2, 30), 'GiB'], [Math.pow(2, 20), 'MiB'], [1024, 'KiB'], [1, 'B']]
    };
    var COUNTS = [[1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [1, '']];
    var LABEL = 64; /* pixels that a release's name takes */

    function scale(largest, unit) {
        var units = UNITS[unit] || COUNTS;
        return $.grep(units, function(one) { return Math.abs(largest) >= one[0]; })[0] || units[units.length - 1];
    }

    function scaled(value, one) {
        return ((value / one[0]).toLocaleString('en', {maximumSignificantDigits: 3}) + ' ' + one[1]).trim();
    }

    function pretty(value, unit) {
        var text = value === null || !isFinite(value) ? 'n/a' : scaled(value, scale(value, unit));
        return UNITS[unit] || !unit || unit === 'unit' ? text : text + ' ' + unit;
    }

    var hash_of = $.asv.get_commit_hash;

    function tag_of(revision) {
        var found = null;
        $.each($.asv.main_json.tags, function(tag, of) { found = String(of) === String(revision) ? tag : found; });
        return found;
    }

    function name_of(revision) {
        return tag_of(revision) || hash_of(revision);
    }

    /* asv finds revisions by hash alone. */
    function hashes(names) {
        return names.split('-').map(function(name) {
            var revision = $.asv.main_json.tags[name];
            return revision === undefined ? name : hash_of(revision);
        }).join('-');
    }

    $.asv.pretty_unit = pretty;
    $.asv.get_commit_hash = name_of;

    /* Labels of series as asv makes them: key-value pairs. The values say it. */
    function label_of(label) {
        var names = $.asv.main_json.benchmarks[benchmark].param_names.concat(
            Object.keys($.asv.main_json.params), 'commit');
        return $.map((label || '').split('; '), function(part) {
            var key = $.grep(names, function(name) { return part.indexOf(name + '-') === 0; })[0];
            return key ? part.slice(key.length + 1) : part;
        }).join(', ');
    }

    function legend(series, left_out) {
        var box = $('#alb-legend');
        if (!box.length) {
            box = $('<div id="alb-legend"/>').prependTo('#graph');
        }
        box.empty();
        $.each(series, function(i, one) {
            if (one.shown) {
                $('<span/>').append($('<i/>').css('background', one.color)).append(document.createTextNode(one.shown))
                    .appendTo(box);
            }
        });
        if (left_out) {
            $('<em/>').text(left_out + ' more lines: choose at the left').appendTo(box);
        }
        $('#main-graph').parent().css('top', box.outerHeight() + 8 + 'px');
    }

    function even(options, value) {
        return options.xaxis.transform ? options.xaxis.transform(value) : value;
    }

    /* Releases, or commits, under the axis, as many as have room; asv would write all of them, one over the other. */
    function name_commits(options, series, width) {
        var places = {};
        $.each(series, function(i, one) { $.each(one.data, function(k, point) { places[point[0]] = true; }); });
        var all = Object.keys(places).map(Number).sort(function(a, b) { return a - b; });
        if (!all.length) {
            return;
        }
        var low = options.xaxis.min === undefined ? all[0] : options.xaxis.min;
        var high = options.xaxis.max === undefined ? all[all.length - 1] : options.xaxis.max;
        var span = Math.max(even(options, all[all.length - 1]) - even(options, all[0]), 1);
        if (options.xaxis.min === undefined && !options.xaxis.transform) {
            options.xaxis.min = low - 0.02 * span;
            options.xaxis.max = high + 0.02 * span;
        }
        else if (options.xaxis.min !== undefined) {
            all = $.grep(all, function(one) { return one >= low && one <= high; });
            span = Math.max(even(options, all[all.length - 1]) - even(options, all[0]), 1);
        }
        var ticks = [], last = Infinity;
        $.each(all.reverse(), function(i, one) {
            var at = even(options, one) / span * width;
            if (last - at >= LABEL) {
                ticks.unshift([one, name_of(one)]);
                last = at;
            }
        });
        options.xaxis.ticks = ticks;
        options.xaxis.tickFormatter = null;
        options.xaxis.axisLabel = '';
    }

    /* Bars side by side over values of a parameter; asv's script for them draws none. */
    function name_parameters(options, series) {
        var width = 0.8 / series.length, names = series[0].data.map(function(point) { return point[0]; });
        $.each(series, function(i, one) {
            one.bars = {show: true, barWidth: width, align: 'center'};
            one.data = one.data.map(function(point, at) {
                /* No place is a whole number, which would be a revision. */
                return [at + 1e-6 + (i - (series.length - 1) / 2) * width, point[1]];
            });
        });
        $.extend(options.xaxis, {mode: null, min: -0.6, max: names.length - 0.4,
                                 ticks: names.map(function(name, at) { return [at, name]; })});
    }

    function name_values(options, series) {
        var unit = $.asv.main_json.benchmarks[benchmark].unit;
        if (options.yaxis.ticks) {
            return;
        }
        if (!$('#zoom-y-axis').hasClass('active')) {
            options.yaxis.min = Math.min(0, options.yaxis.min);
            options.yaxis.max = 1.15 * Math.max.apply(null, $.map(series, function(one) {
                return $.map(one.data, function(point) { return point[1]; });
            }));
        }
        options.yaxis.axisLabel = UNITS[unit] || unit === 'unit' ? '' : unit;
        options.yaxis.tickFormatter = function(value, axis) { return scaled(value, scale(axis.max, unit)); };
    }

    var plot = $.plot, benchmark = null;
    $.plot = function(place, series, options) {
        if ($(place).is('#main-graph, #overview')) {
            series = $.grep(series, function(one) {
                return one.data.some(function(point) { return point[1] !== null; });
            });
            var left_out = Math.max(series.length - MOST, 0);
            series = series.slice(0, MOST).map(function(one, i) {
                return $.extend({}, one, {color: COLORS[i], shown: one.label ? label_of(one.label) : ''});
            });
            options = $.extend(true, {}, options);
            if ($(place).is('#main-graph') && series.length) {
                legend(options.legend.show ? series : [], options.legend.show ? left_out : 0);
                options.legend.show = false;
                if (options.xaxis.axisLabel === 'commits') {
                    name_commits(options, series, $(place).width() - 60);
                }
                if (options.xaxis.mode === 'categories') {
                    name_parameters(options, series);
                }
                name_values(options, series);
            }
        }
        return plot(place, series, options);
    };
    $.extend($.plot, plot);

    var lines = [];
    var drawn = $.ajax({url: 'alb/drawn.json', dataType: 'json', cache: false});
    drawn.done(function(found) { lines = found; });

    function machine_of(name) {
        var found = $.grep(lines, function(line) { return line.benchmarks.indexOf(name) >= 0; });
        return found.length ? found[0].machine : $.asv.main_json.params.machine[0];
    }

    function one_machine() {
        var buttons = $('#graphdisplay-state-params .panel').first().find('.btn-group').removeAttr('data-toggle');
        buttons.find('a').off('click').on('click', function() {
            var info = $.asv.parse_hash_string(window.location.hash);
            info.params.machine = [$(this).text()];
            window.location.hash = $.asv.format_hash_string(info);
        });
    }

    function what_is_drawn() {
        if ($('#alb-drawn').length) {
            return;
        }
        var box = $('<div id="alb-drawn"/>').prependTo('#summarygrid-display');
        drawn.done(function() {
            $.each(lines, function(i, line) {
                var number = line.commits.length, at = 'all ' + number + ' commits';
                var revisions = $.grep(Object.keys($.asv.main_json.revision_to_hash), function(revision) {
                    return line.commits.indexOf($.asv.main_json.revision_to_hash[revision]) >= 0;
                }).sort(function(a, b) { return a - b; });
                var newest = revisions.length ? name_of(revisions[revisions.length - 1]) : '';
                if (revisions.every(tag_of) && number) {
                    at = 'all ' + number + ' releases, ' + name_of(revisions[0]) + ' to ' + newest;
                }
                var said = !number ? 'no figure yet'
                    : !line.cases ? 'no case was measured at ' + at + ', so nothing is drawn'
                    : line.cases + (line.cases === 1 ? ' case' : ' cases') + ', each measured at ' +
                        (number === 1 ? '1 commit' : at);
                var rest = line.left_out ? line.left_out + (line.cases ? ' more' : '') + ' were measured at some of ' +
                    'them only and are not drawn: `asv show --machine ' + line.machine + ' ' + newest + '` prints them.' : '';
                $('<p class="alb-said"/>').append($('<b/>').text(line.machine))
                    .append(document.createTextNode(': ' + said + '. ' + rest)).appendTo(box);
            });
        });
    }

    function lead_to_steps() {
        if (!$('#alb-to-steps').length) {
            $('<p id="alb-to-steps" class="alb-said"/>').prependTo('#regressions-display').append(
                'What is slower, or larger, than it once was, as asv finds it. All steps, better and worse, each with ' +
                'its interval and the functions behind it: ', $('<a href="#/steps"/>').text('Steps'), '.');
        }
    }

    var register = $.asv.register_page;
    $.asv.register_page = function(name, show) {
        var shown = {
            '': function(params) { show(params); what_is_drawn(); },
            regressions: function(params) { show(params); lead_to_steps(); },
            graphdisplay: function(params) {
                benchmark = params.benchmark;
                if (params.commits) {
                    params.commits = params.commits.map(hashes);
                }
                drawn.always(function() {
                    if ($.asv.main_json.params.machine.length > 1) {
                        params.machine = (params.machine || [machine_of(benchmark)]).slice(0, 1);
                    }
                    show(params);
                    one_machine();
                });
            }
        };
        register(name, shown[name] || show);
    };
});
