'use strict';

/* Every release, or commit, at which time, memory or work changed, the newest first. */
$(document).ready(function() {
    var HEAD = ['Release', 'What', 'Case', 'Change', '95 % interval', 'Before', 'After', 'Functions behind it'];
    var chosen = {};
    var steps = null;

    function percent(share) {
        var digits = Math.abs(share) < 0.0995 ? 1 : 0;
        return (share < 0 ? '\u2212' : '+') + Math.abs(100 * share).toFixed(digits) + ' %';
    }

    function short(name) {
        return /^[0-9a-f]{40}$/.test(name) ? name.slice(0, $.asv.main_json.hash_length) : name;
    }

    function is_release(step) {
        return $.asv.main_json.tags[step.version] !== undefined;
    }

    function revision(name) {
        var tagged = $.asv.main_json.tags[name];
        return Number(tagged === undefined ? $.asv.get_revision(name) : tagged);
    }

    /* A tag, or a hash of one's own repository, is known there; a hash of the release history is not. */
    function compared(step) {
        var address = $.asv.main_json.show_commit_url + '../compare/' + step.before + '...' + step.version;
        var date = $.asv.format_date_yyyymmdd(new Date($.asv.main_json.revision_to_date[revision(step.version)]));
        return $('<span/>').append($('<a target="_blank"/>').attr('href', address).text(short(step.version)),
            $('<br/>'), $('<small/>').text(date + ', since ' + short(step.before)));
    }

    function graph(step) {
        var names = $.asv.main_json.benchmarks[step.benchmark].param_names;
        var info = {location: [step.benchmark], params: {machine: [step.machine]}};
        $.each(names, function(i, name) { info.params['p-' + name] = [step.parameters[i]]; });
        info.params.commits = [short(step.version)];
        return $('<a/>').attr('href', $.asv.format_hash_string(info)).text(step['case']);
    }

    function functions(lines) {
        if (!lines || !lines.length) {
            return '';
        }
        var rest = $.map(lines.slice(1), function(line) { return $('<div/>').text(line); });
        return $('<details/>').append($('<summary/>').text(lines[0])).append(rest);
    }

    function row(step) {
        var unit = step.kind === 'work' ? '' : step.unit, interval = step.low === undefined || step.low === null ? ''
            : percent(step.low) + ' to ' + percent(step.high);
        var worse = step.change > 0;
        var cells = [compared(step), document.createTextNode(step.kind), graph(step),
            document.createTextNode(step.change === null ? 'from none' : percent(step.change)),
            document.createTextNode(interval), document.createTextNode($.asv.pretty_unit(step.old, unit)),
            document.createTextNode($.asv.pretty_unit(step['new'], unit)), functions(step.functions)];
        var sort = [revision(step.version), step.kind, step['case'], step.change, step.low, step.old, step['new'], 0];
        var made = $('<tr/>');
        $.each(cells, function(i, cell) {
            $('<td/>').append(cell).attr('data-sort-value', sort[i]).toggleClass('number', i > 2 && i < 7)
                .toggleClass('alb-broken', i === 2 || i === 7)
                .addClass(i === 3 ? (worse ? 'worse' : 'better') : '').appendTo(made);
        });
        return made;
    }

    function pick(key, values, box) {
        var group = $('<div class="btn-group btn-group-sm" style="margin: 0 12px 10px 0"/>').appendTo(box);
        $.each(['all'].concat(values), function(i, value) {
            $('<a class="btn btn-default" role="button"/>').text(value)
                .toggleClass('active', (chosen[key] || 'all') === value)
                .on('click', function() {
                    chosen[key] = value === 'all' ? null : value;
                    fill();
                }).appendTo(group);
        });
    }

    function distinct(key) {
        return $.map(steps, function(step) { return step[key]; }).filter(function(value, i, all) {
            return all.indexOf(value) === i;
        });
    }

    function fill() {
        var body = $('#alb-steps-body').empty();
        body.append($('<p class="alb-said"/>').text(
            'Where a figure changed by more than the noise, newest first. Time and memory: 5 % or more; where releases ' +
            'were measured round by round, all intervals hold at once with 95 %. Work is instructions of user code, ' +
            'counted once a release: 1 % or more. A release leads to its changes, a case to its graph.'));
        if (!steps.length) {
            body.append($('<p/>').text('No step: fewer than two commits have figures, or none differs from the one before.'));
            return;
        }
        var box = $('<div/>').appendTo(body);
        pick('kind', distinct('kind'), box);
        pick('way', ['worse', 'better'], box);
        if (distinct('machine').length > 1) {
            pick('machine', distinct('machine'), box);
        }
        var wanted = $.grep(steps, function(step) {
            return (!chosen.kind || step.kind === chosen.kind) && (!chosen.machine || step.machine === chosen.machine)
                && (!chosen.way || (step.change > 0) === (chosen.way === 'worse'));
        });
        wanted.sort(function(one, other) {
            return revision(other.version) - revision(one.version) || Math.abs(other.change) - Math.abs(one.change);
        });
        var counted = wanted.some(function(step) { return step.functions; });
        var ranged = wanted.some(function(step) { return step.low !== undefined; });
        var table = $('<table class="table table-hover table-condensed alb-table"/>').appendTo(body);
        var head = $('<tr/>').appendTo($('<thead/>').appendTo(table));
        $.each(HEAD, function(i, text) {
            $('<th/>').text(i === 0 && !wanted.every(is_release) ? 'Commit' : text).attr('data-sort', i === 1 || i === 2 ? 'string' : 'float')
                .toggleClass('number', i > 2 && i < 7).appendTo(head);
        });
        $('<tbody/>').append($.map(wanted, row)).appendTo(table);
        /* A column that nothing stands in says nothing. */
        table.find('tr').each(function() {
            $(this).children().eq(7).toggle(counted);
            $(this).children().eq(4).toggle(ranged);
        });
        table.stupidtable();
    }

    $.alb.page('steps', 'Steps', function(display) {
        if (display.is(':empty')) {
            display.append('<div id="alb-steps-body"/>');
        }
        (steps ? $.Deferred().resolve() : $.alb.load('alb/steps.json').done(function(content) {
            steps = content.steps;
        })).done(fill);
    });
});
