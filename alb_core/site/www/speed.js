'use strict';

/* Speed against memory: one figure for a machine, stack, dataset and benchmark, and one release of it at a time. */
$(document).ready(function() {
    /* What tells figures apart, as in the address, and the headings of the panels. */
    var KEYS = {machine: 'machine', stack: 'stack', dataset: 'dataset', benchmark: 'benchmark'};
    var COLUMNS = [
        ['release', 'Release'], ['chunk_method', 'Method'], ['block_spec', 'Block spec'], ['shuffle', 'Shuffle'],
        ['samples_per_second', 'Samples/s'], ['peak_gib', 'Peak memory (GiB)'], ['first_batch', 'First batch (s)']
    ];
    var TEXTS = ['release', 'chunk_method', 'block_spec', 'shuffle'];

    var figures = null;
    /* Promises of what is loaded once: each figure. */
    var contents = {};
    /* What is shown: the figure's entry, its points and Vega's view. */
    var shown = null;
    var chosen = {};

    function loaded_content(figure) {
        if (!contents[figure.file]) {
            contents[figure.file] = $.alb.load(figure.file).then(function(content) {
                content.points = $.map(content.points, function(point) { return $.extend({}, content.common, point); });
                return content;
            });
        }
        return contents[figure.file];
    }

    /* The figure that agrees with most of what is asked for; what comes first in the list decides between equals. */
    function nearest(asked) {
        var best = null, most = -1;
        $.each(figures, function(i, figure) {
            var agreed = 0;
            $.each(Object.keys(KEYS), function(weight, key) {
                agreed += figure[key] === asked[key] ? 1 + (key === asked.wanted ? 10 : 0) : 0;
            });
            if (agreed > most) {
                most = agreed;
                best = figure;
            }
        });
        return best;
    }

    function place(release) {
        var found = shown.figure.releases.length - 1;
        $.each(shown.figure.releases, function(i, one) {
            if (one.name === release) {
                found = i;
            }
        });
        return found;
    }

    /* Write what is chosen into the address, so that it can be sent to somebody; a slider would fill the history. */
    function go(changed, quietly) {
        var info = {location: ['/speed'], params: {}};
        $.each($.extend({}, chosen, changed), function(key, value) {
            if (value) {
                info.params[key] = [value];
            }
        });
        var address = $.asv.format_hash_string(info);
        if (quietly) {
            history.replaceState(null, '', address);
        }
        else {
            window.location.hash = address;
        }
    }

    function panel(nav, heading, values, current, pick) {
        $.asv.ui.make_value_selector_panel(nav, heading, values, function(i, value, button) {
            button.text(value).toggleClass('active', value === current).removeAttr('data-toggle');
            button.on('click', function() { pick(value); });
        });
    }

    function distinct(key) {
        var found = [];
        $.each(figures, function(i, figure) {
            if (found.indexOf(figure[key]) < 0) {
                found.push(figure[key]);
            }
        });
        return found;
    }

    function navigate() {
        var nav = $('#alb-speed-navigation').empty();
        $.each(KEYS, function(key, heading) {
            var values = distinct(key);
            if (key === 'stack' && values.length < 2) {
                return;
            }
            panel(nav, heading, values, shown.figure[key], function(value) {
                var figure = nearest($.extend({}, shown.figure, {wanted: key}, (function() {
                    var one = {};
                    one[key] = value;
                    return one;
                })()));
                var changed = {};
                $.each(KEYS, function(name) { changed[name] = figure[name]; });
                go(changed);
            });
        });
        panel(nav, 'shuffle', ['all'].concat(shown.figure.shuffles), chosen.shuffle || 'all', function(value) {
            go({shuffle: value === 'all' ? null : value});
        });
        nav.find('.btn-group').removeAttr('data-toggle');
        releases($.asv.ui.make_panel(nav, 'release'));
        $.asv.ui.reflow_value_selector_panels();
    }

    function releases(body) {
        var number = shown.figure.releases.length;
        var box = $('<div class="alb-releases"/>').appendTo(body);
        var label = $('<div id="alb-speed-release"/>').appendTo(box);
        var slider = $('<input type="range" id="alb-speed-slider" min="0" step="1" aria-label="release"/>');
        slider.attr('max', number - 1).prop('disabled', number < 2).val(place(chosen.release)).appendTo(box);
        var all = $('<input type="checkbox" id="alb-speed-all"/>').prop('checked', chosen.all === 'true');
        $('<label/>').append(all).append(' all releases at once').appendTo(box);
        slider.on('input', function() {
            chosen.release = shown.figure.releases[slider.val()].name;
            delete chosen.all;
            all.prop('checked', false);
            go({}, true);
            update();
        });
        all.on('change', function() {
            chosen.all = all.prop('checked') ? 'true' : null;
            go({}, true);
            update();
        });
        shown.label = label;
        shown.slider = slider;
    }

    /* Show the points of the release and the shuffle that are chosen; axes and scales stay. */
    function update() {
        if (!shown.view) {
            return;
        }
        var figure = shown.figure, release = figure.releases[place(chosen.release)];
        var wanted = $.grep(shown.points, function(point) {
            return (chosen.all === 'true' || point.release === release.name)
                && (!chosen.shuffle || point.shuffle === chosen.shuffle);
        });
        var date = $.asv.format_date_yyyymmdd(new Date(release.date));
        shown.label.text(chosen.all === 'true' ? 'all ' + figure.releases.length + ' releases'
                         : release.name + ' (' + date + ', ' + release.commit.slice(0, 8) + ')');
        shown.slider.attr('aria-valuetext', release.name);
        var lacking = release.lacking && chosen.all !== 'true'
            ? ' ' + release.lacking + ' combinations have no figure at this release.' : '';
        $('#alb-speed-said').text(
            figure.machine + ': ' + figure.hardware + ' \u00b7 ' + figure.dataset + ', ' +
            'all ' + figure.rows.toLocaleString('en') + ' cells, from local files \u00b7 ' + figure.benchmark +
            ' \u00b7 medians of whole epochs, the first batch counted.' + lacking);
        shown.view.data('points', wanted).run();
        tabulate(wanted);
    }

    function tabulate(points) {
        var columns = $.grep(COLUMNS, function(column) {
            return (column[0] !== 'release' || chosen.all === 'true')
                && points.some(function(point) { return point[column[0]] !== undefined; });
        });
        var texts = $.grep(columns, function(column) { return TEXTS.indexOf(column[0]) >= 0; }).length;
        var rows = $.map(points, function(point) {
            return [$.map(columns, function(column) { return written(column[0], point[column[0]]); })];
        });
        var head = $.map(columns, function(column) { return column[1]; });
        var table = $.alb.table(head, rows, texts);
        table.find('th').each(function(i) { $(this).attr('data-sort', i < texts ? 'string' : 'float'); });
        table.find('tbody tr').each(function(number) {
            $(this).find('td').each(function(i) {
                $(this).attr('data-sort-value', points[number][columns[i][0]]);
            });
        });
        table.stupidtable();
        $('#alb-speed-table').empty().append(table);
    }

    function written(key, value) {
        if (value === undefined) {
            return '';
        }
        return typeof value !== 'number' ? value
            : key === 'samples_per_second' ? Math.round(value).toLocaleString('en') : value.toFixed(2);
    }

    function show(display, params) {
        if (display.is(':empty')) {
            display.append('<div id="alb-speed-navigation" class="asv-navigation"/>');
            display.append('<div id="alb-speed-body"><p id="alb-speed-said" class="alb-said"/>' +
                           '<div id="alb-speed-figure"/><div id="alb-speed-table"/></div>');
        }
        chosen = {};
        $.each(params, function(key, values) { chosen[key] = values[0]; });
        (figures ? $.Deferred().resolve() : $.alb.load('alb/speed.json').done(function(content) {
            figures = content.figures;
        })).done(draw);
    }

    function draw() {
        if (!figures.length) {
            $('#alb-speed-said').text('No commit has both the time and the memory of an epoch: `asv run` measures them.');
            return;
        }
        var figure = nearest(chosen);
        if (shown && shown.figure === figure && shown.view) {
            navigate();
            update();
            return;
        }
        var mine = shown = {figure: figure};
        navigate();
        $.when(loaded_content(figure), $.alb.drawing()).done(function(content) {
            // Another one may have been chosen meanwhile.
            if (shown !== mine) {
                return;
            }
            var options = {
                renderer: 'svg',
                actions: {export: true, source: false, compiled: false, editor: false},
                downloadFileName: 'speed_vs_mem'
            };
            vegaEmbed('#alb-speed-figure', content.spec, options).then(function(drawn) {
                if (shown === mine) {
                    shown.points = content.points;
                    shown.view = drawn.view;
                    update();
                }
            });
        });
    }

    $.alb.page('speed', 'Speed against memory', show);
});
