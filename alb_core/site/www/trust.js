'use strict';

/* Loaders side by side on each machine, and what its verdicts are worth. */
$(document).ready(function() {
    var filled = false;

    function said(text) {
        return $('<p class="alb-said"/>').text(text);
    }

    /* A table under its figures, folded, with what its columns mean. */
    function table(found, texts) {
        var meanings = $('<dl class="alb-meanings"/>');
        $.each(found.meanings, function(i, one) {
            meanings.append($('<dt/>').text(one[0]), $('<dd/>').text(one[1]));
        });
        return $('<details/>').append('<summary>All figures, and what they mean</summary>',
            $('<div class="alb-wide"/>').append($.alb.table(found.table[0], found.table.slice(1), texts)), meanings);
    }

    function verdicts(machine) {
        var found = $('<div class="alb-verdicts"/>').append('<h4>Which changes verdicts find</h4>');
        var known = machine.calibration;
        if (!known) {
            return found.append(said(
                'Not calibrated: how often verdicts of this machine are wrong is not known. `alb calibrate` finds out.'));
        }
        found.append(said(
            'How many of so many verdicts found a change of known size, as calibrated ' + known.measured + ' on commit ' +
            known.commit.slice(0, 8) + '. Thick: a verdict of all cases; bars are 95 % intervals of verdicts that share ' +
            'no round. Thin: single cases. The clock had ' + known.rounds + ' rounds, of which a verdict of ' +
            known.budget + ' has about ' + known.verdict_rounds + '.' +
            (known.canary ? ' A fixed task varied meanwhile: ' + known.canary + '.' : '')));
        if (known.figure) {
            found.append($.alb.draw([known.figure], 'verdicts'));
        }
        return found.append(table(known, 1));
    }

    function loaders(machine) {
        var found = $('<div class="alb-loaders"/>').append('<h4>Loaders side by side</h4>');
        if (!machine.loaders || !machine.loaders.length) {
            return found.append(said('No comparison is kept: `alb compare-loaders DATASET --keep` makes one.'));
        }
        $.each(machine.loaders, function(i, one) {
            found.append(said(one.said + '. Measured ' + one.measured + '. Marks are medians, bars the slowest and the ' +
                'fastest round. Blue: at the best setting that was found, grey: at its defaults; dashed: reading the ' +
                'same rows without a loader.'));
            if (one.figures.length) {
                found.append($.alb.draw(one.figures, 'loaders'));
            }
            found.append(table(one, one.texts));
            $.each(one.others, function(k, line) { found.append(said(line)); });
        });
        return found;
    }

    function show(display) {
        if (filled) {
            return;
        }
        filled = true;
        var body = $('<div id="alb-trust-body"/>').appendTo(display);
        $.alb.load('alb/trust.json').done(function(content) {
            if (!content.machines.length) {
                body.append(said('No machine has results yet: `asv run` measures.'));
            }
            $.each(content.machines, function(i, machine) {
                body.append($('<h3/>').text(machine.name).append(' ').append(
                    $('<small/>').text(machine.hardware || '')));
                $.each(machine.faults, function(k, line) {
                    body.append($('<div class="alert alert-danger"/>').text(line));
                });
                body.append(loaders(machine)).append(verdicts(machine));
            });
        });
    }

    $.alb.page('trust', 'Loaders and verdicts', show);
});
