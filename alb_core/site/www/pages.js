'use strict';

/* What the pages of the suite share. asv knows its own displays alone, so ours are hidden here. */
$(document).ready(function() {
    function page(name, title, show) {
        $.asv.register_page(name, function(params) {
            $('#title').text(title);
            $('#alb-' + name + '-display').show();
            show($('#alb-' + name + '-display'), params);
        });
    }

    function load(address) {
        return $.ajax({url: address + '?timestamp=' + $.asv.main_timestamp, dataType: 'json', cache: true})
            .fail(function() { $.asv.ui.network_error(); });
    }

    /* A table of texts: its head, its rows, and how many columns begin at the left. */
    function table(head, rows, texts) {
        var made = $('<table class="table table-hover table-condensed alb-table"/>');
        var line = $('<tr/>').appendTo($('<thead/>').appendTo(made));
        $.each(head, function(column, text) {
            $('<th/>').text(text).toggleClass('number', column >= texts).appendTo(line);
        });
        var body = $('<tbody/>').appendTo(made);
        $.each(rows, function(number, cells) {
            var row = $('<tr/>').appendTo(body);
            $.each(cells, function(column, text) {
                $('<td/>').text(text).toggleClass('number', column >= texts).appendTo(row);
            });
        });
        return made;
    }

    /* Scripts that draw, loaded once, when something is to be drawn. */
    var loaded = null;
    function drawing() {
        if (loaded === null) {
            loaded = $.Deferred();
            var script = document.createElement('script');
            script.src = 'alb/vega.js';
            script.onload = function() { loaded.resolve(); };
            script.onerror = function() { loaded.reject(); $.asv.ui.network_error(); };
            document.head.appendChild(script);
        }
        return loaded;
    }

    /* Draw figures side by side, as far as there is room. */
    function draw(specs, name) {
        var box = $('<div class="alb-figures"/>');
        $.each(specs, function(i, spec) {
            var place = $('<div/>').appendTo(box)[0];
            drawing().done(function() {
                vegaEmbed(place, spec, {renderer: 'svg', downloadFileName: name,
                                        actions: {export: true, source: false, compiled: false, editor: false}});
            });
        });
        return box;
    }

    $(window).on('hashchange', function() { $('.alb-display').hide(); });
    $.alb = {page: page, load: load, table: table, drawing: drawing, draw: draw};
});
